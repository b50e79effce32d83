/**
 * Looks after invoices that are out: asks the node about our own ones, and never for anything else. Where it does not tell
 * of settlements this is how they are found; where it does, each is looked at once more when its time is over, whatever was
 * missed.
 */

import { decodeHex } from '@turnpike/l402'
import type { InvoiceBackend, InvoiceDetails } from '@turnpike/l402/lightning'
import type { Journal } from '@turnpike/l402/server'
import type { Logger } from 'pino'
import { describeError } from '../log.ts'

/** The first look after an invoice was made, and how the pauses grow. */
const FIRST_MS = 2_000
const GROWTH = 1.5
const LONGEST_MS = 60_000
/** The node's clock is not ours: the last look comes so long after the end. */
const GRACE_MS = 30_000
/** What is not decided so long after its end never is. */
const GIVE_UP_MS = 3_600_000
/** Look-ups at a time, so many each tick: 20 a second. */
const TICK_MS = 250
const PER_TICK = 5
const AT_ONCE_MAX = 8
const PAGE = 500
/** How often the journal is searched for invoices that nobody here looks after: of a gateway that is gone. */
const STRAYS_MS = 60_000
const LOOK_MS = 10_000
/** After a look-up that failed, none for so long; each further one doubles it. */
const QUIET_MS = [1_000, 5_000, 30_000, 60_000]

/** What is needed to look after them. */
export interface OpenInvoicesOptions {
  readonly backend: Pick<
    InvoiceBackend,
    'invoiceCapabilities' | 'lookupInvoice' | 'invoiceDetails' | 'settlements'
  >
  readonly journal: Pick<Journal, 'openSales' | 'forgetOpen'>
  /** Most that are looked after; beyond it the oldest go. */
  readonly most: number
  /** Resolves once it is durable; what throws is told again. */
  readonly onSettled: (paymentHash: string, amountMsat: bigint | undefined) => Promise<void>
  readonly log: Pick<Logger, 'warn'>
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** See the file's comment. */
export interface OpenInvoices {
  /** An invoice is out. */
  add(paymentHash: string, untilMs: number): void
  /** It is sold. */
  drop(paymentHash: string): void
  /** Looks at all of them as soon as it can: payments may have been missed. */
  lookAtAll(): void
  /** What is due now, without waiting for the time to come; for tests. */
  tick(): Promise<void>
  close(): Promise<void>
}

interface Watched {
  readonly untilMs: number
  dueMs: number
  pauseMs: number
}

/** Starts looking after those that the journal remembers, and those that are added. */
export function watchOpenInvoices(options: OpenInvoicesOptions): OpenInvoices {
  const { backend, journal, onSettled, log, most, now = Date.now } = options
  const watched = new Map<string, Watched>()
  const { looksUp, subscribes } = backend.invoiceCapabilities
  // Of several backends some may not tell.
  const polls = looksUp && (backend.settlements === undefined || subscribes !== true)
  const looking = new Set<string>()
  const forgotten: string[] = []
  let quietUntil = 0
  let failures = 0
  let closed = false
  let straysAt = 0
  // Where nobody tells of settlements, they may have been paid while we were away.
  let eager = polls
  let ticking: Promise<void> | undefined

  function add(paymentHash: string, untilMs: number, dueMs: number): void {
    if (closed || watched.has(paymentHash)) return
    if (watched.size >= most) {
      const [oldest] = watched.keys()
      if (oldest === undefined) return
      watched.delete(oldest)
    }
    watched.set(paymentHash, { untilMs, dueMs, pauseMs: FIRST_MS })
  }

  const endOf = (untilMs: number): number => untilMs + GRACE_MS

  async function look(hash: string, one: Watched): Promise<void> {
    looking.add(hash)
    try {
      const { state, amountMsat } = looksUp ? await within(ask(backend, hash)) : { state: 'expired' as const }
      failures = 0
      if (state === 'settled') {
        await onSettled(hash, amountMsat)
        watched.delete(hash)
        // Noted, or not ours to note.
        forgotten.push(hash)
      } else if (isOver(state, one)) {
        watched.delete(hash)
        forgotten.push(hash)
      } else later(one)
    } catch (error) {
      later(one)
      if (failures === 0)
        log.warn({ fault: describeError(error) }, 'open invoices cannot be looked up right now')
      quietUntil = now() + (QUIET_MS[Math.min(failures++, QUIET_MS.length - 1)] ?? 0)
    } finally {
      looking.delete(hash)
    }
  }

  function isOver(state: InvoiceDetails['state'], { untilMs }: Watched): boolean {
    if (state === 'accepted') return false
    if (now() >= untilMs + GIVE_UP_MS) return true
    // Before its end a node may not know it yet, and a clock may be wrong.
    return now() >= endOf(untilMs) && state !== 'open'
  }

  /** The pauses grow; the last look is not missed. */
  function later(one: Watched): void {
    const next = now() + one.pauseMs
    const end = endOf(one.untilMs)
    one.pauseMs = Math.min(LONGEST_MS, one.pauseMs * GROWTH)
    one.dueMs = now() >= end ? now() + LONGEST_MS : polls ? Math.min(next, end) : end
  }

  /** What the journal remembers, page by page. */
  async function load(endBeforeMs?: number): Promise<void> {
    let cursor: string | null = null
    do {
      const page: Awaited<ReturnType<Journal['openSales']>> = await journal.openSales({
        limit: PAGE,
        ...(endBeforeMs === undefined ? {} : { endBeforeMs }),
        ...(cursor === null ? {} : { cursor }),
      })
      for (const { facts, payableUntilMs } of page.items) {
        const dueMs = eager ? now() : endOf(payableUntilMs)
        if (watched.size < most) add(facts.paymentHash, payableUntilMs, dueMs)
      }
      cursor = page.next
    } while (cursor !== null && watched.size < most && !closed)
  }

  async function work(): Promise<void> {
    if (forgotten.length > 0) {
      const gone = forgotten.splice(0, PAGE)
      await journal.forgetOpen(gone).catch(() => {})
    }
    if (now() >= straysAt) {
      const first = straysAt === 0
      straysAt = now() + STRAYS_MS
      await load(first ? undefined : now() - 2 * GRACE_MS).catch(() => {
        if (first) straysAt = 0
      })
    }
    if (now() < quietUntil) return
    let started = 0
    for (const [hash, one] of watched) {
      if (started >= PER_TICK || looking.size >= AT_ONCE_MAX) break
      if (one.dueMs > now() || looking.has(hash)) continue
      started++
      void look(hash, one)
    }
  }

  function tick(): Promise<void> {
    ticking ??= work().finally(() => {
      ticking = undefined
    })
    return ticking
  }

  const timer = setInterval(() => void tick(), TICK_MS).unref()
  return {
    add: (paymentHash, untilMs) => add(paymentHash, untilMs, polls ? now() + FIRST_MS : endOf(untilMs)),
    drop: (paymentHash) => void watched.delete(paymentHash),
    lookAtAll() {
      eager = true
      for (const one of watched.values()) one.dueMs = now()
    },
    tick,
    async close() {
      closed = true
      clearInterval(timer)
      watched.clear()
      await ticking
    },
  }
}

async function ask(backend: OpenInvoicesOptions['backend'], hash: string): Promise<InvoiceDetails> {
  const bytes = decodeHex(hash)
  if (bytes === undefined) return { state: 'unknown' }
  if (backend.invoiceDetails !== undefined) return await backend.invoiceDetails(bytes)
  return { state: await backend.lookupInvoice(bytes) }
}

function within<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), LOOK_MS)
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
