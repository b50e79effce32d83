/** Writes sales into the journal: after payment (rule S10), off the way of requests, again and again until it is durable. */

import type {
  ChallengedSale,
  Journal,
  SaleEvent,
  SaleFacts,
  SaleNote,
  SalesWatcher,
  Subscribers,
} from '@turnpike/l402/server'
import type { Logger } from 'pino'
import { describeError } from '../log.ts'

/** Most challenges whose amounts are remembered: some 8 MiB. An older one's price is then taken from the route. */
const CHALLENGES_MAX = 20_000
/** Most notes that wait for the store; then credentials are told of again when they come again. */
const QUEUE_MAX = 10_000
const BATCH_MAX = 200
/** Payments that were told of a short time ago, so that copies and refused requests do not ask the store each time. */
const RECENT_MAX = 10_000
const RECENT_MS = 60_000
const RETRY_MS = [200, 1_000, 5_000, 30_000]

/** What a recorder works with. */
export interface RecorderOptions {
  readonly journal: Pick<Journal, 'note'>
  /** Asked each time: a reload may change them. */
  readonly subscribers: () => Subscribers
  readonly onEvents: (events: readonly SaleEvent[]) => void
  readonly log: Pick<Logger, 'warn' | 'error'>
  readonly now?: () => number
}

/** See {@link createRecorder}. */
export interface Recorder extends SalesWatcher {
  /** The node says that this was paid; 64 hex digits. Unknown ones are left to their redemption. */
  settled(paymentHash: string, amountMsat: bigint): void
  /** There is something to use again: the next exhaustion is news. */
  revived(): void
  /** Waits until everything so far is durable, at most so long. */
  flush(withinMs: number): Promise<void>
  close(): void
}

/** See {@link Recorder}. */
export function createRecorder(options: RecorderOptions): Recorder {
  const { journal, now = Date.now } = options
  const challenges = new Map<string, ChallengedSale>()
  const redeemed = new Map<string, number>()
  const exhausted = new Map<string, number>()
  let queue: SaleNote[] = []
  let running: Promise<void> | undefined
  let wake: (() => void) | undefined
  let closed = false

  /** What was asked for is known better than what the credential shows. */
  function known(facts: SaleFacts): SaleFacts {
    const challenge = challenges.get(facts.paymentHash)
    if (challenge === undefined) return facts
    const { payableUntil: _, ...asked } = challenge
    return { ...asked, callsKey: facts.callsKey, endsAtMs: facts.endsAtMs }
  }

  function add(type: SaleNote['type'], facts: SaleFacts): boolean {
    if (closed || queue.length >= QUEUE_MAX) return false
    queue.push({ type, facts, atMs: now() })
    start()
    return true
  }

  function start(): void {
    running ??= work().finally(() => {
      running = undefined
      // What came after the last look at the queue must not wait for the next sale.
      if (queue.length > 0 && !closed) start()
    })
  }

  async function work(): Promise<void> {
    // The rest of this turn joins the first batch.
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    for (let failures = 0; queue.length > 0 && !closed; ) {
      const batch = queue.slice(0, BATCH_MAX)
      try {
        const events = await journal.note(batch, options.subscribers())
        queue = queue.slice(batch.length)
        failures = 0
        if (events.length > 0) options.onEvents(events)
      } catch (error) {
        if (failures++ === 0)
          options.log.warn({ fault: describeError(error) }, 'sales cannot be written down yet')
        await pause(RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 0)
      }
    }
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref()
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  return {
    challenged(sale) {
      bounded(challenges, CHALLENGES_MAX).set(sale.paymentHash, sale)
    },
    redeemed(sale) {
      if (isRecent(redeemed, sale.paymentHash, now())) return true
      if (!add('redeemed', known(sale))) return false
      bounded(redeemed, RECENT_MAX).set(sale.paymentHash, now() + RECENT_MS)
      challenges.delete(sale.paymentHash)
      return true
    },
    exhausted(sale) {
      if (isRecent(exhausted, sale.paymentHash, now())) return
      if (add('exhausted', known(sale)))
        bounded(exhausted, RECENT_MAX).set(sale.paymentHash, now() + RECENT_MS)
    },
    settled(paymentHash, amountMsat) {
      const challenge = challenges.get(paymentHash)
      if (challenge === undefined) return
      const { payableUntil: _, ...facts } = challenge
      add('settled', { ...facts, amountMsat })
    },
    revived: () => exhausted.clear(),
    async flush(withinMs) {
      if (running === undefined) return
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, withinMs)
      })
      await Promise.race([running, late])
      clearTimeout(timer)
    },
    close() {
      closed = true
      wake?.()
      if (queue.length > 0) options.log.error({ sales: queue.length }, 'sales were not written down')
    },
  }
}

/** Makes room for one more: the oldest goes. */
function bounded<T>(map: Map<string, T>, most: number): Map<string, T> {
  if (map.size >= most) {
    const [oldest] = map.keys()
    if (oldest !== undefined) map.delete(oldest)
  }
  return map
}

function isRecent(map: ReadonlyMap<string, number>, key: string, nowMs: number): boolean {
  return (map.get(key) ?? 0) > nowMs
}
