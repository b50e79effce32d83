/** Logs: one JSON object per line on standard error. No macaroon, preimage, key, invoice or header value, ever. */

import { isL402Error } from '@turnpike/l402'
import { clientPrefix } from '@turnpike/l402/server'
import { type Logger, pino } from 'pino'
import { CommandError } from './cli/exit.ts'
import type { Config } from './config/config.ts'

/**
 * How a request came out: served free or paid, refused by the gate, answered by the gateway itself (404, 400, preflight),
 * failed at the upstream, or given up by the client.
 */
export type RequestOutcome = 'free' | 'paid' | 'replayed' | 'refused' | 'answered' | 'failed' | 'aborted'

/** What is known of a request when it is over. */
export interface RequestSummary {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** `undefined`: no route matched. */
  readonly service: string | undefined
  readonly route: string | undefined
  readonly outcome: RequestOutcome
  /** The reason of a refusal, or the code of a problem. */
  readonly reason: string | undefined
  /** Why a route in shadow would have refused it. */
  readonly shadow?: string
  readonly status: number
  readonly durationMs: number
  /** Lower-case hex; only its first 8 digits are logged. */
  readonly tokenId?: string | undefined
  readonly clientAddress: string
}

/** A logger that writes lines to `write`. */
export function createLog(config: Pick<Config['log'], 'level'>, write: (line: string) => void): Logger {
  return pino(
    {
      level: config.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Nothing passes these today; they stand so that nothing ever will (rule C10).
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
    },
    { write },
  )
}

const SECRET_FIELDS = [
  ...['headers', 'rawHeaders', 'authorization', 'macaroon', 'token', 'credential', 'preimage', 'invoice'],
  ...['masterKey', 'rootKey', 'key', 'keys', 'secret', 'body', 'query'],
]

/** Writes the line of a finished request, if `which` says so. */
export function logRequest(log: Logger, which: Config['log']['requests'], request: RequestSummary): void {
  const fine = request.status < 400 && request.outcome !== 'aborted' && request.shadow === undefined
  if (which === 'none' || (which === 'problems' && fine)) return
  log.info(
    {
      method: request.method.slice(0, 32),
      path: request.path.slice(0, 512),
      service: request.service,
      route: request.route,
      status: request.status,
      outcome: request.outcome,
      reason: request.reason,
      shadow: request.shadow,
      ms: Math.round(request.durationMs * 10) / 10,
      tokenId: request.tokenId?.slice(0, 8),
      client: clientPrefix(request.clientAddress),
    },
    'request',
  )
}

/**
 * What may be said of an error: the words of our own errors, which hold no secret, and of any other only its kind and
 * code, since its message may quote whatever it met.
 */
export function describeError(error: unknown): string {
  if (isL402Error(error)) return `${error.code}: ${error.message}`
  if (error instanceof CommandError) return error.message
  if (!(error instanceof Error)) return `a thrown ${typeof error}`
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : ''
  const syscall = 'syscall' in error && typeof error.syscall === 'string' ? ` in ${error.syscall}` : ''
  return `${error.name}${code}${syscall}`
}
