/** `turnpike keys`: the master keys. */

import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { type Arguments, readArguments } from '../cli/arguments.ts'
import { CommandError, type ExitCode, exitCode } from '../cli/exit.ts'
import type { Io } from '../cli/io.ts'
import { nearestName } from '../cli/nearest.ts'
import { appendKey, createKeyFile, loadKeys, readKeyFile, retireKey } from '../config/key-file.ts'
import { loadConfig } from '../config/load.ts'
import { type Command, configFlag, defaultConfigFile, helpFlag } from './command.ts'

const help = `turnpike keys new | list | rotate | retire ID [-c FILE]

The master keys that credentials are made with. The newest key makes new credentials; every key that is not retired opens
what it made. A running gateway reads its key files again at HUP.

  new         adds a key to the key file of the configuration (turnpike.key beside it where it names none) and prints its
              id. The file is made where there is none, for its owner alone; keys that stand there stay
  list        all keys: id, when it was made, what it does, and where it stands; never a key itself
  rotate      adds a key to a key file that is there: from the next HUP or start on it makes new credentials, and the
              others go on opening what they made
  retire ID   takes a key out of use: everything that was sold under it stops opening. Refuses the last one. Wants --yes

  -c, --config FILE   the configuration (default: turnpike.yaml)
      --json          list: as JSON
      --yes           retire: it is meant
  -h, --help          this text

Examples:
  turnpike keys new
  turnpike keys rotate && kill -HUP "$(pidof turnpike)"
  turnpike keys retire 3f9a0c17b2de --yes
`

const VERBS = ['new', 'list', 'rotate', 'retire'] as const

export const keysCommand: Command = {
  summary: 'master keys: new, list, rotate, retire',
  help,
  async run(argv, io) {
    const flags = {
      config: configFlag,
      json: { type: 'boolean' },
      yes: { type: 'boolean' },
      help: helpFlag,
    } as const
    const read = readArguments(argv, flags, { command: 'keys', maxPositionals: 2 })
    if (read.flags.has('help')) {
      io.stdout(help)
      return exitCode.ok
    }
    const [verb, id] = read.positionals
    if (id !== undefined && verb !== 'retire') throw usage(`unexpected argument "${id}"`)
    switch (verb) {
      case 'new':
        return addKey(read, io, false)
      case 'rotate':
        return addKey(read, io, true)
      case 'list':
        return listKeys(read, io)
      case 'retire':
        if (id === undefined) throw usage('expected the id of a key: turnpike keys retire ID')
        return retire(id, read, io)
      case undefined:
        throw usage(`expected one of ${VERBS.join(', ')}`)
      default: {
        const meant = nearestName(verb, VERBS)
        const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`
        throw usage(`unknown command "${verb}", expected one of ${VERBS.join(', ')}.${hint}`)
      }
    }
  },
}

function usage(what: string): CommandError {
  return new CommandError(exitCode.usage, `turnpike keys: ${what}`)
}

function addKey(read: Arguments, io: Io, rotate: boolean): ExitCode {
  const sources = configOf(read, io)
  const [file] = sources.files
  if (file === undefined) throw fromEnvironment(sources)
  const existed = existsSync(file)
  const shown = relative(io.cwd, file) || file
  if (rotate && !existed)
    throw new CommandError(
      exitCode.failed,
      `${shown}: no such key file. Run "turnpike keys new" to make one.`,
    )
  const key = writing(file, () => (existed ? appendKey(file) : createKeyFile(file)))
  io.stdout(`${key.id}\n`)
  if (rotate) {
    const opening = readKeyFile(file).filter(({ active, id }) => active && id !== key.id)
    io.stderr(`Added to ${shown}. From the next HUP or start on ${key.id} makes new credentials;\n`)
    io.stderr(`${opening.map(({ id }) => id).join(', ') || 'no other key'} goes on opening what was sold.\n`)
  } else {
    io.stderr(
      `${existed ? 'Added to' : 'Made'} ${shown}. A running gateway uses it from its next HUP or start.\n`,
    )
  }
  return exitCode.ok
}

function writing<T>(file: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    if (error instanceof CommandError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    throw new CommandError(exitCode.failed, `${file}: cannot be written (${code})`)
  }
}

/** One key as it is shown. */
interface ListedKey {
  readonly id: string
  /** RFC 3339; `null` for a key of the environment. */
  readonly created: string | null
  readonly state: 'mints' | 'opens' | 'retired'
  readonly source: string
}

function listed(read: Arguments, io: Io): readonly ListedKey[] {
  const config = configOf(read, io)
  const sources = new Map<string, string>()
  for (const file of config.files)
    for (const { id } of readKeyFile(file)) sources.set(id, relative(io.cwd, file) || file)
  const keys = loadKeys(config, io.env)
  const minting = keys.findLast(({ active }) => active)?.id
  return keys.map(({ id, active, createdAt }) => ({
    id,
    created: createdAt === 0 ? null : new Date(createdAt).toISOString().replace('.000Z', 'Z'),
    state: !active ? 'retired' : id === minting ? 'mints' : 'opens',
    source: sources.get(id) ?? 'the environment',
  }))
}

function listKeys(read: Arguments, io: Io): ExitCode {
  const keys = listed(read, io)
  if (read.flags.has('json')) {
    io.stdout(`${JSON.stringify(keys)}\n`)
    return exitCode.ok
  }
  const rows = [
    ['ID', 'CREATED', 'STATE', 'FILE'],
    ...keys.map((key) => [key.id, key.created ?? '-', key.state, key.source]),
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows)
    io.stdout(
      `${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    )
  return exitCode.ok
}

function retire(id: string, read: Arguments, io: Io): ExitCode {
  const keys = listed(read, io)
  const key = keys.find((each) => each.id === id)
  if (key === undefined) {
    const near = nearestName(
      id,
      keys.map((each) => each.id),
    )
    const hint = near === undefined ? 'Run "turnpike keys list" to see them.' : `Did you mean "${near}"?`
    throw new CommandError(exitCode.failed, `turnpike keys: there is no key "${id}". ${hint}`)
  }
  if (key.state === 'retired') {
    io.stderr(`${id} is retired already.\n`)
    return exitCode.ok
  }
  const sources = configOf(read, io)
  const file = sources.files.find((each) => readKeyFile(each).some((stored) => stored.id === id))
  if (file === undefined) throw fromEnvironment(sources)
  if (keys.filter(({ state }) => state !== 'retired').length === 1)
    throw new CommandError(
      exitCode.failed,
      `turnpike keys: ${id} is the last key in use, expected another one first. Run "turnpike keys rotate".`,
    )
  if (!read.flags.has('yes'))
    throw new CommandError(
      exitCode.failed,
      `turnpike keys: everything that was sold under ${id} stops opening, for good for its buyers. Expected --yes if that is meant.`,
    )
  writing(file, () => retireKey(file, id))
  io.stderr(`Retired ${id}. From the next HUP or start on nothing that was sold under it opens.\n`)
  return exitCode.ok
}

function fromEnvironment({ env }: KeySources): CommandError {
  return new CommandError(
    exitCode.failed,
    `the keys come from the environment (${env.join(', ')}), expected a key file: change them where it is set`,
  )
}

interface KeySources {
  readonly files: readonly string[]
  readonly env: readonly string[]
}

function configOf(read: Arguments, io: Io): KeySources {
  const config = read.values.get('config')
  // Without any configuration the default file, here.
  if (config === undefined && !existsSync(resolve(io.cwd, defaultConfigFile)))
    return { files: [resolve(io.cwd, 'turnpike.key')], env: [] }
  // The keys of a gateway do not depend on its Lightning backend.
  const options = { cwd: io.cwd, env: io.env, sandbox: true, serves: false }
  return loadConfig(config ?? defaultConfigFile, options).keys
}
