/** `turnpike reload`: the running gateway reads its configuration again. */

import { ADMIN_FLAGS_HELP, adminClient, adminFlags } from '../cli/admin-client.ts'
import { readArguments } from '../cli/arguments.ts'
import { exitCode } from '../cli/exit.ts'
import type { Command } from './command.ts'

const help = `turnpike reload [--json]

The running gateway reads its configuration and its key files again, as HUP makes it: routes, prices, limits, time-outs and
keys change at once, requests under way go on as they began. A bad file changes nothing, and what is wrong with it is
printed. Asks the admin API, with the token of admin.tokenFile.

${ADMIN_FLAGS_HELP}

Examples:
  turnpike reload
`

export const reloadCommand: Command = {
  summary: 'the running gateway reads its configuration again',
  help,
  async run(argv, io) {
    const read = readArguments(argv, adminFlags, { command: 'reload' })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const answer = (await adminClient(
      read,
      io,
    )({
      method: 'POST',
      path: '/reload',
      failed: 'did not reload, the old configuration stays in force',
    })) as { restartOnly: readonly string[] }
    if (read.flags.has('json')) io.stdout(`${JSON.stringify(answer)}\n`)
    else {
      io.stdout('reloaded\n')
      if (answer.restartOnly.length > 0)
        io.stderr(`${answer.restartOnly.join(', ')} changed: in force after the next start\n`)
    }
    return exitCode.ok
  },
}
