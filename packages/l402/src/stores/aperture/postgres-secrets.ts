import type { Pool } from 'pg'
import { decodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { StoredRootKeys } from '../root-keys.ts'
import { notAperture, secretOf, unreadable } from './secret.ts'

const MISSING = 'reading Aperture’s PostgreSQL database needs a package that is not installed; run: npm i pg'
const MAX_CONNECTIONS = 4
const IDLE_MS = 30_000

/** SQLSTATEs of a table, column or type that is not there: it is another program's database. */
const NO_SUCH_THING = /^(?:42P01|42703|42883|42804|3F000)$/

/** SQLSTATEs and system errors of a connection that the server has ended, or the network. */
const CUT = /^(?:57P0[12]|ECONNRESET|EPIPE)$/
/** The driver's own words for the same. */
const CUT_TEXT = /^(?:Connection terminated unexpectedly|Client has encountered a connection error)/

// As text, whatever `bytea_output` says.
const FIND = `SELECT encode(secret, 'hex') AS secret FROM secrets WHERE hash = $1`

/** Aperture's `secrets` in PostgreSQL. Throws like `apertureSecrets`. */
export async function postgresSecrets({
  url,
  timeoutMs = 5_000,
}: {
  readonly url: string
  readonly timeoutMs?: number
}): Promise<StoredRootKeys> {
  const place = placeOf(url)
  const pool = await openPool(url, place, timeoutMs)

  async function find(hash: Uint8Array): Promise<string | undefined> {
    for (let cut = 0; ; cut++) {
      try {
        const { rows } = await pool.query<{ secret: string }>(FIND, [Buffer.from(hash)])
        return rows[0]?.secret
      } catch (error) {
        // A connection that idled over a restart of the server shows it when it is used next. The pool throws it away then;
        // all of them may be such ones, and the one after those is new.
        if (!wasCut(error) || cut >= MAX_CONNECTIONS) throw error
      }
    }
  }

  try {
    await find(new Uint8Array(32))
  } catch (error) {
    await pool.end()
    const { code } = error as { code?: unknown }
    if (typeof code === 'string' && NO_SUCH_THING.test(code)) throw notAperture(place, tell(error, url))
    throw unreadable(place, tell(error, url))
  }

  return {
    async rootKey(identifierHash) {
      try {
        const hex = await find(identifierHash)
        return hex === undefined ? undefined : secretOf(decodeHex(hex))
      } catch (error) {
        throw unreadable(place, tell(error, url))
      }
    },
    async close() {
      if (!pool.ending) await pool.end()
    },
  }
}

async function openPool(url: string, place: string, timeoutMs: number): Promise<Pool> {
  const { default: pg } = await import('pg').catch((cause: unknown) => {
    throw new L402Error('store_unavailable', MISSING, { cause })
  })
  try {
    const pool = new pg.Pool({
      connectionString: url,
      application_name: 'turnpike',
      max: MAX_CONNECTIONS,
      idleTimeoutMillis: IDLE_MS,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
      keepAlive: true,
      allowExitOnIdle: true,
    })
    // A connection that is lost while it idles is replaced; without a listener it would end the process.
    pool.on('error', () => {})
    return pool
  } catch {
    // What the parser says may hold a part of the URL.
    throw unreadable(place, 'its address cannot be used')
  }
}

function wasCut(error: unknown): boolean {
  const { message = '', code } = error as { message?: string; code?: unknown }
  return typeof code === 'string' ? CUT.test(code) : CUT_TEXT.test(message)
}

/** The address without user and password. */
function placeOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  return parsed === undefined ? 'at an unreadable address' : `postgres://${parsed.host}${parsed.pathname}`
}

/** An error's text alone, without the password; what hangs on it may hold anything. */
function tell(error: unknown, url: string): string {
  const { message, code } = error as { message?: string; code?: string }
  const text = message === undefined || message === '' ? (code ?? 'unknown fault') : message
  const password = URL.canParse(url) ? new URL(url).password : ''
  if (password === '') return text
  return text.replaceAll(decodeURIComponent(password), '…').replaceAll(password, '…')
}
