/** A `fetch` that goes wrong on demand, between a backend and its node. */

/** What happens to the requests a fault is set for. */
export type Fault =
  /** Nothing listens. */
  | 'refused'
  /** The request arrives, its answer does not. */
  | 'lost'
  /** The request arrives, and the answer comes too late. */
  | 'slow'
  /** The request arrives, and the answer is something else. */
  | 'garbage'

/** Wraps a `fetch`; without a fault it does nothing. */
export interface FaultSwitch {
  wrap(fetch: typeof globalThis.fetch): typeof globalThis.fetch
  /** Sets what happens to requests from now on, or (with `only`) to those that it picks. */
  set(fault: Fault | undefined, only?: (url: string, body: string) => boolean): void
  /** Requests that met the fault since it was set. */
  readonly met: number
}

const SLOW_MS = 4_000
const GARBAGE = '<!doctype html><title>It works!</title>'

/** Makes a {@link FaultSwitch}. */
export function faultSwitch(): FaultSwitch {
  let fault: Fault | undefined
  let picks: (url: string, body: string) => boolean = () => true
  let met = 0
  const through = async (
    fetch: typeof globalThis.fetch,
    input: Parameters<typeof globalThis.fetch>[0],
    init?: RequestInit,
  ): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input)
    const body = typeof init?.body === 'string' ? init.body : ''
    const now = fault
    if (now === undefined || !picks(url, body)) return await fetch(input, init)
    met++
    if (now === 'refused') throw connectionRefused()
    const { signal, ...unaborted } = init ?? {}
    const answer = await fetch(input, unaborted)
    if (now === 'lost') {
      await answer.arrayBuffer().catch(() => {})
      throw new TypeError('fetch failed', {
        cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }),
      })
    }
    if (now === 'garbage') {
      await answer.arrayBuffer().catch(() => {})
      return new Response(GARBAGE, { status: 200, headers: { 'content-type': 'text/html' } })
    }
    await pause(SLOW_MS, signal ?? undefined)
    return answer
  }
  return {
    wrap: (fetch) => (input, init) => through(fetch, input, init),
    set(next, only = () => true) {
      fault = next
      picks = only
      met = 0
    },
    get met() {
      return met
    },
  }
}

function connectionRefused(): TypeError {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' })
  return new TypeError('fetch failed', { cause })
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason)
    })
  })
}
