import { createServer } from 'node:http'
import { board as boardOf } from '../board/serve-board.ts'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import { toldToEnd } from '../cli/signals.ts'
import type { Streams } from '../cli/streams.ts'
import { UsageError } from '../cli/usage-error.ts'
import { listenOnLoopback } from '../daemon/listen.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openSession } from '../session.ts'

/** `fare board`: a local page of what was spent, until it is told to end. */
export async function board(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.board)
  if (positionals.length > 0) throw new UsageError(`fare board takes no argument, got "${positionals[0]}"`)
  const session = openSession(env)
  let host = ''
  const { token, handle } = boardOf(session.purse, () => host)
  const server = createServer((request, response) => void handle(request, response))
  try {
    host = await listenOnLoopback(server, values.listen ?? '127.0.0.1:0')
    const url = `http://${host}/?token=${token}`
    await streams.out(
      values.json
        ? toJson({ ok: true, exitCode: EXIT.fetched, url })
        : `The board is at ${url}\nThe address opens once, in one browser. Ctrl-C ends it.\n`,
    )
    await toldToEnd()
    return EXIT.fetched
  } finally {
    server.closeAllConnections()
    server.close()
    await session.close()
  }
}
