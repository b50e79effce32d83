import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { UsageError } from '../cli/usage-error.ts'

const SHORTEST = 32

/** The token that clients must show, from its file; made (0600) where there is none. Throws {@link UsageError}. */
export function readToken(file: string): string {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    // 'wx': whoever made it in between is believed.
    writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' })
  }
  const token = readFileSync(file, 'utf8').trim()
  if (token.length < SHORTEST || /\s/.test(token))
    throw new UsageError(`${file}: expected a token of at least ${SHORTEST} characters on one line`)
  return token
}

/** Whether the header is the token's, in time that does not depend on it. */
export function showsToken(header: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1] ?? ''
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(token))
}
