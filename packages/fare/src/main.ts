import { readFileSync } from 'node:fs'
import { isL402Error } from '@turnpike/l402'
import { toJson } from './cli/json.ts'
import { processStreams, type Streams } from './cli/streams.ts'
import { printable } from './cli/text.ts'
import { UsageError } from './cli/usage-error.ts'
import { budget } from './commands/budget.ts'
import { get } from './commands/get.ts'
import { payments } from './commands/payments.ts'
import { quote } from './commands/quote.ts'
import { recover } from './commands/recover.ts'
import { tokens } from './commands/tokens.ts'
import { type Ending, EXIT, EXIT_OF, type ExitCode } from './exit-codes.ts'
import { HELP } from './help.ts'

type Command = (args: readonly string[], streams: Streams, env: NodeJS.ProcessEnv) => Promise<ExitCode>

const COMMANDS: Readonly<Record<string, Command>> = { get, quote, tokens, budget, payments, recover }

/** Runs `fare` and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  // A reader that goes away (`fare get … | head`) is no fault of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  process.exitCode = await run(argv, processStreams, process.env)
}

/** Runs one command line; never throws. */
export async function run(
  argv: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const json = argv.includes('--json')
  try {
    const { command, args } = findCommand(argv)
    if (args.includes('--help') || args.includes('-h') || command === undefined) {
      await streams.out(HELP)
      return argv.length === 0 ? EXIT.usage : EXIT.fetched
    }
    if (command === 'version') {
      await streams.out(`fare ${version()}\n`)
      return EXIT.fetched
    }
    return await (COMMANDS[command] ?? get)(args, streams, env)
  } catch (error) {
    const ending = endingOf(error)
    // A newer copy of the library may throw a code that this table does not have.
    const code = EXIT_OF[ending] ?? EXIT.failed
    const message = printable(messageOf(error))
    if (json) await streams.out(toJson({ ok: false, exitCode: code, error: { code: ending, message } }))
    else streams.err(`fare: ${message}${code === EXIT.usage ? ' (fare --help)' : ''}`)
    return code
  }
}

/** The command is the first word; flags may stand before it, and a URL alone means `get`. */
function findCommand(argv: readonly string[]): { command: string | undefined; args: readonly string[] } {
  if (argv.length === 0) return { command: undefined, args: [] }
  if (argv[0] === '--version' || argv[0] === '-V') return { command: 'version', args: [] }
  const at = argv.findIndex((word) => !['--sandbox', '--json'].includes(word))
  const word = argv[at]
  if (word === undefined || word === 'help') return { command: undefined, args: argv }
  if (word in COMMANDS) return { command: word, args: [...argv.slice(0, at), ...argv.slice(at + 1)] }
  const looksLikeUrl = word.startsWith('-') || word.includes('.') || word.includes(':') || word.includes('/')
  if (!looksLikeUrl && word !== 'localhost')
    throw new UsageError(`no command "${word}"; there are ${Object.keys(COMMANDS).join(', ')}`)
  return { command: 'get', args: argv }
}

function endingOf(error: unknown): Ending {
  if (error instanceof UsageError) return 'usage'
  return isL402Error(error) ? error.code : 'failed'
}

/** The message, and where it says little (`fetch failed`) that of its cause. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'the time of --max-time is over'
  const { cause } = error
  const because =
    cause instanceof Error && cause.message !== '' && !isL402Error(error) ? `: ${cause.message}` : ''
  return `${error.message}${because}`
}

function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return text
}
