/**
 * Key files: the master keys that root keys are derived from (protocol §4).
 *
 * One key per line, `<id> <created> <base64> [retired]`: an id of letters, digits, `-` and `_`; when it was made, in
 * UTC to the second; at least 32 bytes in standard base64. Lines that start with `#` and empty lines are skipped. The
 * newest key mints; a retired one opens nothing any more. Nobody but the owner may read the file.
 */

import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import type { MasterKey } from '@turnpike/l402/server'
import { CommandError, exitCode } from '../cli/exit.ts'
import type { KeysConfig } from './config.ts'

/** A master key as a key file holds it. */
export interface StoredKey extends MasterKey {
  /** Milliseconds since the epoch. */
  readonly createdAt: number
}

/** Largest key file, in bytes. */
const MAX_FILE_BYTES = 64 * 1024

/** Where keys were expected, and there are none at all. */
export class MissingKeysError extends CommandError {
  constructor(file: string) {
    super(exitCode.config, `${file}: no such key file. Run "turnpike keys new" to make one.`)
  }
}

/** All keys of a configuration, the newest last. Throws {@link CommandError} with exit code 78. */
export function loadKeys(
  config: Pick<KeysConfig, 'files' | 'env'>,
  env: Readonly<Record<string, string | undefined>>,
): readonly StoredKey[] {
  const keys: StoredKey[] = []
  for (const file of config.files) keys.push(...readKeyFile(file))
  for (const name of config.env) keys.push(...readKeyVariable(name, env[name]))
  const ids = new Set<string>()
  for (const { id } of keys) {
    if (ids.has(id)) {
      const where = [...config.files, ...config.env].join(', ')
      throw new CommandError(
        exitCode.config,
        `${where}: the key "${id}" stands there twice, expected it once`,
      )
    }
    ids.add(id)
  }
  if (!keys.some((key) => key.active)) {
    const where = [...config.files, ...config.env].join(', ')
    throw new CommandError(exitCode.config, `${where}: no active key, expected one. Run "turnpike keys new".`)
  }
  // The sort is stable: of two made in one second, the later line is the newer key.
  return keys.sort((a, b) => a.createdAt - b.createdAt)
}

/** The keys of one file, in its order. Throws {@link CommandError} with exit code 78; never shows a key. */
export function readKeyFile(file: string): readonly StoredKey[] {
  let descriptor: number
  try {
    // A named pipe would keep it waiting for somebody to write.
    descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    if (code === 'ENOENT') throw new MissingKeysError(file)
    throw new CommandError(exitCode.config, `${file}: cannot be read (${code}), expected a key file`)
  }
  try {
    const { mode, size } = fstatSync(descriptor)
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > MAX_FILE_BYTES) {
      throw new CommandError(exitCode.config, `${file}: not a key file, expected a small plain file`)
    }
    refuseWideMode(file, mode)
    return parseKeys(file, readFileSync(descriptor, 'latin1'))
  } finally {
    closeSync(descriptor)
  }
}

/** On Windows the mode says nothing about who may read. */
function refuseWideMode(file: string, mode: number): void {
  if (process.platform === 'win32' || (mode & 0o077) === 0) return
  const shown = (mode & 0o777).toString(8).padStart(4, '0')
  throw new CommandError(
    exitCode.config,
    `${file}: others may read or change this key file (mode ${shown}), expected 0600. Run: chmod 600 ${shellWord(file)}`,
  )
}

function shellWord(text: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function readKeyVariable(name: string, value: string | undefined): readonly StoredKey[] {
  if (value === undefined || value.trim() === '') {
    throw new CommandError(
      exitCode.config,
      `the environment variable ${name} is not set, expected it to hold a master key`,
    )
  }
  const bare = value.trim()
  if (/\s/.test(bare)) return parseKeys(`$${name}`, value)
  const masterKey = readBase64(bare)
  if (masterKey === undefined) {
    throw new CommandError(
      exitCode.config,
      `$${name}: not a master key, expected at least 32 bytes in standard base64`,
    )
  }
  return [{ id: `env-${name}`, masterKey, active: true, createdAt: 0 }]
}

/** Reads the text of a key file. `name` is what messages call it. */
export function parseKeys(name: string, text: string): readonly StoredKey[] {
  const keys: StoredKey[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\r$/, '')
    if (line === '' || line.startsWith('#')) continue
    const fail = (what: string): never => {
      const form = '"<id> <created> <base64 of at least 32 bytes> [retired]"'
      throw new CommandError(exitCode.config, `${name}:${index + 1}:1: ${what}, expected ${form}`)
    }
    const [id = '', created = '', secret = '', state, ...rest] = line.split(' ')
    if (!/^[A-Za-z0-9_-]{1,32}$/.test(id)) fail('not the id of a key')
    const createdAt = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(created) ? Date.parse(created) : Number.NaN
    if (Number.isNaN(createdAt)) fail('not a time such as 2026-01-31T12:00:00Z')
    const masterKey = readBase64(secret) ?? fail('not a key')
    if ((state !== undefined && state !== 'retired') || rest.length > 0) fail('more than a key')
    keys.push({ id, masterKey, active: state === undefined, createdAt })
  }
  return keys
}

/** Standard base64 with padding of 32 to 64 bytes, written the one way. */
function readBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length < 32 || bytes.length > 64 || bytes.toString('base64') !== text) return undefined
  return new Uint8Array(bytes)
}

const FILE_HEADER = `# Master keys of a Turnpike gateway. Whoever has one can make valid credentials: keep this file secret (mode 0600)
# and backed up. Without it nothing that was sold opens any more.
# One key per line: <id> <created> <base64> [retired]. The newest key mints; every one that is not retired opens.
`

/** A new key and the line it has in a key file. */
export function makeKey(now: () => number = Date.now): { readonly key: StoredKey; readonly line: string } {
  const masterKey = new Uint8Array(randomBytes(32))
  // Says which key it is, and nothing about it.
  const id = createHash('sha256').update('turnpike key id').update(masterKey).digest('hex').slice(0, 12)
  const createdAt = Math.floor(now() / 1000) * 1000
  const created = new Date(createdAt).toISOString().replace('.000Z', 'Z')
  const line = `${id} ${created} ${Buffer.from(masterKey).toString('base64')}\n`
  return { key: { id, masterKey, active: true, createdAt }, line }
}

/** Writes a new key file with one key, 0600. Throws `EEXIST` where something already is. */
export function createKeyFile(file: string, now?: () => number): StoredKey {
  const { key, line } = makeKey(now)
  const descriptor = openSync(file, 'wx', 0o600)
  try {
    writeSync(descriptor, FILE_HEADER + line)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  return key
}

/** Adds a key to an existing file. One appending write: what stands there stays, whoever else writes. */
export function appendKey(file: string, now?: () => number): StoredKey {
  if (existsSync(`${file}.lock`))
    throw new CommandError(
      exitCode.failed,
      `${file}.lock: somebody else is changing the key file; remove it if nobody is`,
    )
  readKeyFile(file)
  const { key, line } = makeKey(now)
  const descriptor = openSync(file, constants.O_RDWR | constants.O_APPEND)
  try {
    const { size } = fstatSync(descriptor)
    const last = new Uint8Array(1)
    if (size > 0) readSync(descriptor, last, 0, 1, size - 1)
    writeSync(descriptor, (size > 0 && last[0] !== 0x0a ? '\n' : '') + line)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  return key
}

/**
 * Marks a key of a file as retired: it opens nothing any more. The file is replaced as a whole, by one that is on disk
 * before it takes its place; while it is made, `FILE.lock` keeps others from doing the same. Throws {@link CommandError}.
 */
export function retireKey(file: string, id: string): void {
  const lock = `${file}.lock`
  let descriptor: number
  try {
    descriptor = openSync(lock, 'wx', 0o600)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    const held = code === 'EEXIST' ? 'somebody else is changing the key file' : `cannot be made (${code})`
    throw new CommandError(exitCode.failed, `${lock}: ${held}, expected to be alone; remove it if nobody is`)
  }
  const draft = `${file}.new`
  try {
    readKeyFile(file)
    const lines = readFileSync(file, 'latin1').split('\n')
    const changed = lines.map((line) =>
      line.split(' ', 1)[0] === id ? `${line.replace(/\r$/, '')} retired` : line,
    )
    const out = openSync(draft, 'w', 0o600)
    try {
      writeSync(out, changed.join('\n'), null, 'latin1')
      fsyncSync(out)
    } finally {
      closeSync(out)
    }
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
    rmSync(lock, { force: true })
  }
}
