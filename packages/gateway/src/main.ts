/** The `turnpike` command line. */

import { CommandError, exitCode } from './cli/exit.ts'
import { type Io, processIo } from './cli/io.ts'
import { nearestName } from './cli/nearest.ts'
import { unexpectedFault } from './cli/unexpected.ts'
import { programVersion } from './cli/version.ts'
import { checkCommand } from './commands/check.ts'
import type { Command } from './commands/command.ts'
import { doctorCommand } from './commands/doctor.ts'
import { importCommand } from './commands/import.ts'
import { initCommand } from './commands/init.ts'
import { keysCommand } from './commands/keys.ts'
import { paymentsCommand } from './commands/payments.ts'
import { reloadCommand } from './commands/reload.ts'
import { serveCommand } from './commands/serve.ts'
import { statsCommand } from './commands/stats.ts'
import { tokensCommand } from './commands/tokens.ts'

const commands: Readonly<Record<string, Command>> = {
  serve: serveCommand,
  init: initCommand,
  check: checkCommand,
  import: importCommand,
  keys: keysCommand,
  tokens: tokensCommand,
  payments: paymentsCommand,
  stats: statsCommand,
  reload: reloadCommand,
  doctor: doctorCommand,
}

function overview(): string {
  const list = Object.entries(commands).map(([name, command]) => `  ${name.padEnd(8)} ${command.summary}`)
  return `turnpike: puts a price in front of any HTTP API, paid over Lightning (L402).

Usage: turnpike COMMAND [flags]

${list.join('\n')}

  -h, --help      this text; "turnpike COMMAND --help" explains a command
      --version   the version

Examples:
  turnpike init                   a commented turnpike.yaml
  turnpike check                  is it right, and what does it sell?
  turnpike serve --sandbox        run it on play money

Exit codes: 0 stopped, 1 failed, 64 wrong usage, 69 a backend or store unreachable at start, 78 bad configuration.
`
}

/** Runs the program with the arguments after its name; sets `process.exitCode`. */
export async function main(argv: readonly string[]): Promise<void> {
  const io = processIo()
  // Node would print the error as it is, whatever it quotes.
  process.once('uncaughtException', (error) => {
    io.stderr(unexpectedFault(error))
    io.exit(exitCode.failed)
  })
  process.exitCode = await run(argv, io)
}

/** Runs the program in given surroundings and answers its exit code. Never throws. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(argv, io)
  } catch (error) {
    if (error instanceof CommandError) {
      io.stderr(`${error.message}\n`)
      return error.exitCode
    }
    io.stderr(unexpectedFault(error))
    return exitCode.failed
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = argv
  if (name === undefined) {
    io.stderr(overview())
    return exitCode.usage
  }
  if (name === '--help' || name === '-h') {
    io.stdout(overview())
    return exitCode.ok
  }
  if (name === '--version' || name === 'version') {
    io.stdout(`${programVersion()}\n`)
    return exitCode.ok
  }
  if (name === 'help') {
    const [topic] = rest
    if (topic === undefined) io.stdout(overview())
    else io.stdout(findCommand(topic).help)
    return exitCode.ok
  }
  return findCommand(name).run(rest, io)
}

function findCommand(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined) return command
  const kind = name.startsWith('-') ? 'flag' : 'command'
  const near = nearestName(name, [...Object.keys(commands), '--help', '--version'])
  const hint = near === undefined ? '' : ` Did you mean "${near}"?`
  throw new CommandError(
    exitCode.usage,
    `turnpike: unknown ${kind} "${name}".${hint} Run "turnpike --help" for the list.`,
  )
}
