import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { CommandError, exitCode } from '../cli/exit.ts'

const MIN_LENGTH = 32
const MAX_FILE_BYTES = 4_096

/**
 * The bearer token of the admin API: the one line of its file, at least 32 visible characters. `undefined` without a file.
 * Throws {@link CommandError} with exit code 78; never shows the token.
 */
export function adminToken(file: string | undefined): string | undefined {
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
    const token = readFileSync(descriptor, 'latin1').trim()
    if (token.length < MIN_LENGTH || !/^[\x21-\x7e]+$/.test(token))
      throw fault(`expected one line of at least ${MIN_LENGTH} visible characters`)
    return token
  } finally {
    closeSync(descriptor)
  }
}
