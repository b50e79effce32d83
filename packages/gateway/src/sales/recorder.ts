/** Writes sales into the journal: after payment (rule S10), off the way of requests, again and again until it is durable. */

import type { InvoiceDetails } from '@turnpike/l402/lightning'
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
import { amountFinder, isAmount } from './amounts.ts'
import { bounded } from './bounded.ts'
import { openKeeper } from './open-keeper.ts'

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
  readonly journal: Pick<Journal, 'note' | 'keepOpen' | 'openSale' | 'sale'>
  /** Most invoices that are remembered in the journal while they are out; 0: none. */
  readonly keepOpenMost: () => number
  /** What the node says of an invoice; left out: nothing. */
  readonly details?: (paymentHash: string) => Promise<InvoiceDetails>
  /** Told of invoices that are out, and of those that are sold. */
  readonly onOpen?: (sale: ChallengedSale) => void
  readonly onSold?: (paymentHash: string) => void
  /** Asked each time: a reload may change them. */
  readonly subscribers: () => Subscribers
  readonly onEvents: (events: readonly SaleEvent[]) => void
  readonly log: Pick<Logger, 'warn' | 'error'>
  readonly now?: () => number
}

/** See {@link createRecorder}. */
export interface Recorder extends SalesWatcher {
  /**
   * The node says that this was paid; 64 hex digits, and what came in. Resolves once it is written down, or is not one of
   * ours. Throws `store_unavailable`, and an `Error` where too much waits: tell again later.
   */
  settled(paymentHash: string, amountMsat: bigint | undefined): Promise<void>
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
  const keeper = openKeeper(options)
  const amounts = amountFinder(options)
  const redeemed = new Map<string, number>()
  const exhausted = new Map<string, number>()
  let queue: Waiting[] = []
  let running: Promise<void> | undefined
  let wake: (() => void) | undefined
  let closed = false

  function asked(paymentHash: string): SaleFacts | undefined {
    const challenge = challenges.get(paymentHash)
    if (challenge === undefined) return undefined
    const { payableUntil: _, ...facts } = challenge
    return facts
  }

  /** What was asked for is known better than what the credential shows. */
  function known(facts: SaleFacts): SaleFacts {
    const found = asked(facts.paymentHash)
    return found === undefined ? facts : { ...found, callsKey: facts.callsKey, endsAtMs: facts.endsAtMs }
  }

  function add(type: SaleNote['type'], facts: SaleFacts, end?: Waiting['end']): boolean {
    if (closed || queue.length >= QUEUE_MAX) return false
    queue.push({ note: { type, facts, atMs: now() }, end })
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
        const notes = await amounts.better(batch.map(({ note }) => note))
        const events = await journal.note(notes, options.subscribers())
        queue = queue.slice(batch.length)
        for (const { note, end } of batch) {
          options.onSold?.(note.facts.paymentHash)
          end?.()
        }
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
      const { paymentHash } = sale
      // Handed out again it is the same sale.
      if (challenges.has(paymentHash)) return
      bounded(challenges, CHALLENGES_MAX).set(paymentHash, sale)
      keeper.keep(sale)
      options.onOpen?.(sale)
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
    async settled(paymentHash, amountMsat) {
      const facts = asked(paymentHash) ?? (await journal.openSale(paymentHash))?.facts
      if (facts === undefined) return
      const paid = isAmount(amountMsat) ? { ...facts, amountMsat } : facts
      await new Promise<void>((resolve, reject) => {
        const end = (fault?: Error): void => (fault === undefined ? resolve() : reject(fault))
        if (!add('settled', paid, end)) reject(new Error('too many sales wait to be written down'))
      })
    },
    revived: () => exhausted.clear(),
    async flush(withinMs) {
      const kept = keeper.flush()
      if (running === undefined && kept === undefined) return
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, withinMs)
      })
      await Promise.race([Promise.all([running, kept]), late])
      clearTimeout(timer)
    },
    close() {
      closed = true
      wake?.()
      keeper.close()
      for (const { end } of queue) end?.(new Error('not written down before the end'))
      if (queue.length > 0) options.log.error({ sales: queue.length }, 'sales were not written down')
    },
  }
}

/** A note that waits, and who waits for it. */
interface Waiting {
  readonly note: SaleNote
  readonly end: ((fault?: Error) => void) | undefined
}

function isRecent(map: ReadonlyMap<string, number>, key: string, nowMs: number): boolean {
  return (map.get(key) ?? 0) > nowMs
}
