/** `turnpike keys`: the master keys. */

import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { type Arguments, readArguments } from '../cli/arguments.ts'
import { CommandError, type ExitCode, exitCode } from '../cli/exit.ts'
import type { Io } from '../cli/io.ts'
import { nearestName } from '../cli/nearest.ts'
import { appendKey, createKeyFile } from '../config/key-file.ts'
import { loadConfig } from '../config/load.ts'
import { type Command, configFlag, defaultConfigFile, helpFlag } from './command.ts'

const help = `turnpike keys new [-c FILE]

Adds a new master key to the key file of the configuration (turnpike.key beside it where it names none) and prints the
key's id. The file is made where there is none, for its owner alone; keys that stand there stay. From the next start on
the newest key makes new credentials, and every key that is not retired still opens what it made.

  -c, --config FILE   the configuration (default: turnpike.yaml)
  -h, --help          this text

Examples:
  turnpike keys new
  turnpike keys new -c /etc/turnpike/turnpike.yaml
`

/** Commands of the documented surface that this version does not have. */
const LATER = ['list', 'rotate', 'retire']

export const keysCommand: Command = {
  summary: 'makes master keys (keys new)',
  help,
  async run(argv, io) {
    const read = readArguments(
      argv,
      { config: configFlag, help: helpFlag },
      { command: 'keys', maxPositionals: 1 },
    )
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const verb = read.positionals[0]
    if (verb === 'new') return newKey(read, io)
    if (verb === undefined)
      throw new CommandError(exitCode.usage, 'turnpike keys: expected "turnpike keys new"')
    if (LATER.includes(verb)) {
      throw new CommandError(
        exitCode.usage,
        `turnpike keys ${verb} is not available yet, expected "turnpike keys new"`,
      )
    }
    const meant = nearestName(verb, ['new', ...LATER])
    const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
    throw new CommandError(exitCode.usage, `turnpike keys: unknown command "${verb}", expected "new".${hint}`)
  },
}

function newKey(read: Arguments, io: Io): ExitCode {
  const file = keyFileOf(read.values.get('config'), io)
  const existed = existsSync(file)
  try {
    const key = existed ? appendKey(file) : createKeyFile(file)
    io.stdout(`${key.id}\n`)
  } catch (error) {
    if (error instanceof CommandError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    throw new CommandError(exitCode.failed, `${file}: cannot be written (${code})`)
  }
  const shown = relative(io.cwd, file) || file
  io.stderr(`${existed ? 'Added to' : 'Made'} ${shown}. A running gateway uses it from its next start.\n`)
  return exitCode.ok
}

/** The configuration's first key file; without any configuration the default one, here. */
function keyFileOf(config: string | undefined, io: Io): string {
  if (config === undefined && !existsSync(resolve(io.cwd, defaultConfigFile)))
    return resolve(io.cwd, 'turnpike.key')
  // The keys of a gateway do not depend on its Lightning backend.
  const { keys } = loadConfig(config ?? defaultConfigFile, { cwd: io.cwd, env: io.env, sandbox: true })
  const [file] = keys.files
  if (file === undefined) {
    const names = keys.env.join(', ')
    throw new CommandError(
      exitCode.failed,
      `the keys come from the environment (${names}), expected a key file to add to`,
    )
  }
  return file
}
