import { createHash, timingSafeEqual } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { CommandError, exitCode } from '../cli/exit.ts'

const MIN_LENGTH = 32
const MAX_FILE_BYTES = 16_384
const MAX_TOKENS = 100

/** What a token may do: look, or also change. */
export type AdminScope = 'read' | 'write'

/** Who asks. */
export interface AdminIdentity {
  /** For the audit log. */
  readonly name: string
  readonly scope: AdminScope
}

/** One token of the file. */
export interface AdminToken extends AdminIdentity {
  readonly token: string
}

/**
 * The bearer tokens of the admin API: one line with one token of at least 32 visible characters (its name is `admin`, and
 * it may do everything), or a line `<name> read|write <token>` for each. Lines that begin with `#` are comments.
 * `undefined` without a file. Throws {@link CommandError} with exit code 78; never shows a token.
 */
export function adminTokens(file: string | undefined): readonly AdminToken[] | undefined {
  if (file === undefined) return undefined
  const fault = (what: string): CommandError => new CommandError(exitCode.config, `${file}: ${what}`)
  let descriptor: number
  try {
    descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    const remedy = 'Make one: (umask 077; openssl rand -hex 32 > FILE)'
    throw fault(`cannot be read (${code}), expected the token of the admin API. ${remedy}`)
  }
  try {
    const { mode, size } = fstatSync(descriptor)
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > MAX_FILE_BYTES)
      throw fault('not a token file, expected a small plain file')
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw fault(`others may read or change this token (mode ${(mode & 0o777).toString(8)}), expected 0600`)
    return parseTokens(readFileSync(descriptor, 'latin1'), fault)
  } finally {
    closeSync(descriptor)
  }
}

function parseTokens(text: string, fault: (what: string) => CommandError): readonly AdminToken[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const [only = ''] = lines
  if (lines.length === 1 && !/\s/.test(only)) {
    if (!isToken(only)) throw fault(`expected one line of at least ${MIN_LENGTH} visible characters`)
    return [{ name: 'admin', scope: 'write', token: only }]
  }
  const tokens = lines.map((line, index): AdminToken => {
    const [name = '', scope = '', token = '', ...rest] = line.split(/\s+/)
    const good =
      /^[A-Za-z0-9._-]{1,64}$/.test(name) && (scope === 'read' || scope === 'write') && isToken(token)
    if (!good || rest.length > 0)
      throw fault(
        `entry ${index + 1} is not one, expected one token of at least ${MIN_LENGTH} visible characters, or lines "<name> read|write <token>"`,
      )
    return { name, scope, token }
  })
  if (tokens.length === 0) throw fault(`expected one line of at least ${MIN_LENGTH} visible characters`)
  if (tokens.length > MAX_TOKENS) throw fault(`too many tokens, expected at most ${MAX_TOKENS}`)
  for (const what of ['name', 'token'] as const)
    if (new Set(tokens.map((each) => each[what])).size < tokens.length)
      throw fault(`a ${what} stands there twice, expected it once`)
  return tokens
}

function isToken(text: string): boolean {
  return text.length >= MIN_LENGTH && /^[\x21-\x7e]+$/.test(text)
}

/** Whose token stands in these `Authorization` lines. Takes as long whatever is given. */
export function identify(tokens: readonly AdminToken[], lines: readonly string[]): AdminIdentity | undefined {
  const given = /^bearer ([\x21-\x7e]+)$/i.exec(lines.length === 1 ? (lines[0] ?? '') : '')?.[1]
  if (given === undefined) return undefined
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const wanted = digest(given)
  let found: AdminIdentity | undefined
  for (const { name, scope, token } of tokens)
    if (timingSafeEqual(digest(token), wanted)) found = { name, scope }
  return found
}

/** The token that a command of this machine uses: the first that may change things. */
export function ownToken(tokens: readonly AdminToken[], scope: AdminScope): AdminToken | undefined {
  return tokens.find((each) => each.scope === 'write') ?? (scope === 'read' ? tokens[0] : undefined)
}
