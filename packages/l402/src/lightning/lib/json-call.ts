/** Calls to a small JSON API that tell apart what matters to a payment: was anything sent, did an answer come. */

export type JsonAnswer = Readonly<Record<string, unknown>>

type CallOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly body: JsonAnswer }
  /** No connection came about: nothing was sent. */
  | { readonly kind: 'refused' }
  /** Something may have been sent, and no answer came. */
  | { readonly kind: 'lost'; readonly detail: string }

/** Calls a path below the base: GET, or POST where there is `json`. Never throws. */
export type JsonCaller = (
  path: string,
  options: { timeoutMs: number; json?: unknown },
) => Promise<CallOutcome>

const LONGEST_TIMER = 2 ** 31 - 1

export function jsonCaller({ base, fetch }: { base: string; fetch: typeof globalThis.fetch }): JsonCaller {
  return async (path, { timeoutMs, json }) => {
    const signal = AbortSignal.timeout(Math.min(timeoutMs, LONGEST_TIMER))
    try {
      const init: RequestInit = { method: 'GET', redirect: 'error', signal }
      if (json !== undefined) {
        init.method = 'POST'
        init.headers = { 'content-type': 'application/json' }
        init.body = JSON.stringify(json)
      }
      const response = await fetch(`${base}/${path}`, init)
      return { kind: 'answered', status: response.status, body: objectOf(await response.text()) }
    } catch (error) {
      if (wasRefused(error)) return { kind: 'refused' }
      const detail = signal.aborted ? `no answer within ${timeoutMs} ms` : 'the connection was lost'
      return { kind: 'lost', detail }
    }
  }
}

/** The JSON object in a body; an empty one for anything else. */
function objectOf(text: string): JsonAnswer {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

const NEVER_CONNECTED = [
  'ECONNREFUSED',
  'ConnectionRefused',
  'UND_ERR_CONNECT_TIMEOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]

/** Whether no connection came about, so that nothing was sent. Node and Deno say it in the cause, Bun in the error itself. */
export function wasRefused(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if ('code' in at && NEVER_CONNECTED.includes(String(at.code))) return true
    // The platform's fetch connects to no port of this list (fetch.spec.whatwg.org, "bad port").
    if ('syscall' in at ? at.syscall === 'connect' : at.message === 'bad port') return true
  }
  return false
}
