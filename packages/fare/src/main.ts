import { isL402Error } from '@turnpike/l402'
import { eventLines } from './cli/events.ts'
import { endBy, interruptedBy } from './cli/interruption.ts'
import { toJson } from './cli/json.ts'
import { firstWord } from './cli/options.ts'
import { processStreams, type Streams } from './cli/streams.ts'
import { causeText, printable } from './cli/text.ts'
import { UsageError } from './cli/usage-error.ts'
import { ConfigError } from './config-file.ts'
import { type Ending, EXIT, EXIT_OF, type ExitCode } from './exit-codes.ts'
import { version } from './version.ts'

type Command = (args: readonly string[], streams: Streams, env: NodeJS.ProcessEnv) => Promise<ExitCode>

/** Loaded when they are typed: a program that fetches one URL must not load all the others first. */
const COMMANDS = {
  get: async (...typed) => (await import('./commands/get.ts')).get(...typed),
  quote: async (...typed) => (await import('./commands/quote.ts')).quote(...typed),
  wallet: async (...typed) => (await import('./commands/wallet.ts')).wallet(...typed),
  tokens: async (...typed) => (await import('./commands/tokens.ts')).tokens(...typed),
  budget: async (...typed) => (await import('./commands/budget.ts')).budget(...typed),
  payments: async (...typed) => (await import('./commands/payments.ts')).payments(...typed),
  recover: async (...typed) => (await import('./commands/recover.ts')).recover(...typed),
  grant: async (...typed) => (await import('./commands/grant.ts')).grant(...typed),
  daemon: async (...typed) => (await import('./commands/daemon.ts')).daemon(...typed),
  board: async (...typed) => (await import('./commands/board.ts')).board(...typed),
  completions: async (args, streams) =>
    (await import('./commands/completions.ts')).completions(args, streams),
  schema: async (args, streams) => (await import('./commands/schema.ts')).schema(args, streams),
  mcp: async (...typed) => (await import('./mcp/serve.ts')).mcp(...typed),
} satisfies Record<string, Command>

/** Runs `fare` and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  process.exitCode = await run(argv, processStreams(), process.env)
  const signal = interruptedBy()
  // Where money says nothing else, a run that was told to end has ended by that.
  if (signal && process.exitCode === EXIT.failed && !argv.some((word) => PROGRAM_MODES.has(word)))
    endBy(signal)
}

/** Modes that programs read: what is written there says the exit code. */
const PROGRAM_MODES: ReadonlySet<string> = new Set(['--json', '--events'])

/** Runs one command line; never throws. */
export async function run(
  argv: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  try {
    const { name, args } = findCommand(argv)
    if (args.some((word) => word === '--help' || word === '-h') || name === 'help') {
      const { commandHelp, help } = await import('./help.ts')
      const about = name === 'help' || isUrlAlone(argv) ? (args[0] ?? '') : name
      await streams.out(isCommand(about) ? commandHelp(about) : help())
      return EXIT.fetched
    }
    if (name === 'version') {
      await streams.out(`fare ${version()}\n`)
      return EXIT.fetched
    }
    return await COMMANDS[name](args, streams, env)
  } catch (error) {
    return await fault(error, argv, streams)
  }
}

/** Says what went wrong, in the form that was asked for. */
async function fault(error: unknown, argv: readonly string[], streams: Streams): Promise<ExitCode> {
  const ending = endingOf(error)
  // A newer copy of the library may throw a code that this table does not have.
  const exitCode = EXIT_OF[ending] ?? EXIT.failed
  const message = printable(causeText(error))
  const json = argv.includes('--json')
  const events = argv.includes('--events')
  if (events) eventLines(streams)({ type: 'end', exitCode, outcome: ending, message })
  if (!json && !events) streams.err(`fare: ${message}${exitCode === EXIT.usage ? ' (fare --help)' : ''}`)
  if (json) {
    const report = { ok: false, exitCode, error: { code: ending, reason: null, message } }
    // Where even this cannot be written, the exit code is all that is left to say it.
    await streams.out(toJson(report)).catch(() => {})
  }
  return exitCode
}

type CommandName = keyof typeof COMMANDS

/** The command is the first word; options may stand before it, and a URL alone means `get`. */
function findCommand(argv: readonly string[]): {
  readonly name: CommandName | 'help' | 'version'
  readonly args: readonly string[]
} {
  if (argv.length === 0) throw new UsageError('expected a URL or a command')
  if (argv[0] === '--version' || argv[0] === '-V') return { name: 'version', args: [] }
  const at = firstWord(argv)
  const word = argv[at]
  if (word === 'help') return { name: 'help', args: argv.slice(at + 1) }
  if (word !== undefined && isCommand(word))
    return { name: word, args: [...argv.slice(0, at), ...argv.slice(at + 1)] }
  if (word !== undefined && !/[.:/]/.test(word) && word !== 'localhost')
    throw new UsageError(`no command "${word}"; there are ${Object.keys(COMMANDS).join(', ')}`)
  return { name: 'get', args: argv }
}

/** Whether no command was typed: then help is about everything. */
function isUrlAlone(argv: readonly string[]): boolean {
  return !isCommand(argv[firstWord(argv)] ?? '')
}

function isCommand(word: string): word is CommandName {
  return Object.hasOwn(COMMANDS, word)
}

function endingOf(error: unknown): Ending {
  if (error instanceof UsageError || error instanceof ConfigError) return 'usage'
  return isL402Error(error) ? error.code : 'failed'
}
