/** Keeps a node that is down, or slow, from being asked more and more. */

import { L402Error } from '../../core/errors.ts'
import type { CreatedInvoice, InvoiceBackend, InvoiceRequest, InvoiceState } from '../../lightning/backend.ts'

/** When a node is left alone for a while. */
export interface NodeGuardOptions {
  /** So many failures in a row, time-outs among them, open the breaker; 5 if left out. */
  readonly failures?: number
  /** Seconds until one request tries whether the node is back; 10 if left out. */
  readonly openSeconds?: number
  /** Most questions, for invoices and about them, at once; 32 if left out. */
  readonly concurrent?: number
  /** Most requests that wait for their turn; 1,000 if left out. Beyond it they are refused at once. */
  readonly waiting?: number
}

/** A backend's invoices behind a breaker. All throw `lightning_unavailable` at once where it is open, or too many wait. */
export interface NodeGuard {
  createInvoice(request: InvoiceRequest): Promise<CreatedInvoice>
  /** Where the backend holds payments. */
  readonly createHoldInvoice?: NonNullable<InvoiceBackend['createHoldInvoice']>
  /** The signal gives up waiting for an answer. */
  lookupInvoice(paymentHash: Uint8Array, signal: AbortSignal): Promise<InvoiceState>
  /** Seconds until the node may be asked again; 0: now. */
  retryAfterSeconds(): number
  /** Whether the breaker lets nothing through but a trial. */
  readonly open: boolean
}

/**
 * See {@link NodeGuard}. `now` in milliseconds since 1970.
 *
 * @throws RangeError for options out of range.
 */
export function guardNode(
  lightning: Pick<InvoiceBackend, 'createInvoice' | 'createHoldInvoice' | 'lookupInvoice'>,
  now: () => number,
  options: NodeGuardOptions = {},
): NodeGuard {
  const { failures = 5, openSeconds = 10, concurrent = 32, waiting = 1_000 } = options
  for (const [name, value, least] of [
    ['failures', failures, 1],
    ['openSeconds', openSeconds, 1],
    ['concurrent', concurrent, 1],
    ['waiting', waiting, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least)
      throw new RangeError(`invalid ${name}: expected a whole number of at least ${least}, got ${value}`)
  }
  const queue = new Set<() => void>()
  let running = 0
  let failed = 0
  let openedAtMs = 0
  /** Whether the one request that tries an open breaker is under way. */
  let trying = false

  const isOpen = (): boolean => failed >= failures

  function waitMs(): number {
    if (!isOpen()) return 0
    const passedMs = now() - openedAtMs
    // A clock that was set back must not keep it open.
    if (passedMs >= 0 && passedMs < openSeconds * 1000) return openSeconds * 1000 - passedMs
    return trying ? 1_000 : 0
  }

  /** Waits for a turn; leaves the queue where nobody wants the answer any more. */
  function turn(signal: AbortSignal | undefined): Promise<void> {
    if (running < concurrent) {
      running++
      return Promise.resolve()
    }
    if (queue.size >= waiting) return Promise.reject(unavailable('too much is asked for at once'))
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        queue.delete(go)
        reject(unavailable(LATE))
      }
      queue.add(go)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  function next(): void {
    const [go] = queue
    if (go === undefined) {
      running--
      return
    }
    queue.delete(go)
    go()
  }

  function ended(ok: boolean): void {
    if (ok) failed = 0
    else if (++failed >= failures) openedAtMs = now()
  }

  async function ask<T>(task: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (waitMs() > 0) throw unavailable('the Lightning backend has failed several times in a row')
    const trial = isOpen()
    if (trial) trying = true
    try {
      await turn(signal)
      try {
        // Those that waited while it failed need not find out for themselves.
        if (!trial && isOpen()) throw unavailable('the Lightning backend has failed several times in a row')
        const answer = await untilAborted(task(), signal).catch((error: unknown) => {
          ended(false)
          throw error
        })
        ended(true)
        return answer
      } finally {
        next()
      }
    } finally {
      if (trial) trying = false
    }
  }

  const { createHoldInvoice } = lightning
  return {
    ...(createHoldInvoice === undefined
      ? {}
      : {
          createHoldInvoice: (request: Parameters<typeof createHoldInvoice>[0]) =>
            ask(() => createHoldInvoice.call(lightning, request), request.signal),
        }),
    createInvoice: (request) => ask(() => lightning.createInvoice(request), request.signal),
    lookupInvoice: (paymentHash, signal) => ask(() => lightning.lookupInvoice(paymentHash), signal),
    retryAfterSeconds: () => Math.ceil(waitMs() / 1000),
    get open() {
      return isOpen()
    },
  }
}

/** A backend that does not heed the signal must not hold a place for ever. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const late = (): void => reject(unavailable(LATE))
    if (signal.aborted) late()
    signal.addEventListener('abort', late, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', late))
  })
}

const LATE = 'the Lightning backend did not answer in time'

function unavailable(message: string): L402Error {
  return new L402Error('lightning_unavailable', message)
}
