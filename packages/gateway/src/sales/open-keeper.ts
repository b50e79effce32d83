/** Remembers invoices that are out in the journal. */

import type { ChallengedSale, Journal, OpenSale } from '@turnpike/l402/server'
import type { Logger } from 'pino'
import { describeError } from '../log.ts'
import { bounded } from './bounded.ts'

/** Most challenges that wait to be kept; beyond it the oldest go. */
const UNKEPT_MAX = 10_000
/** How long challenges are gathered before they are kept together, off the way of requests (rule S10). */
const KEEP_MS = 100
const AGAIN_MS = 5_000
const BATCH_MAX = 1_000

/** What a keeper works with. */
export interface KeeperOptions {
  readonly journal: Pick<Journal, 'keepOpen'>
  /** Most invoices that are remembered in the journal while they are out; 0: none. */
  readonly keepOpenMost: () => number
  readonly log: Pick<Logger, 'warn'>
}

/** See {@link openKeeper}. */
export interface Keeper {
  keep(sale: ChallengedSale): void
  /** Writes what waits; `undefined` where nothing does. */
  flush(): Promise<void> | undefined
  close(): void
}

/**
 * Remembers invoices that are out, so that a payment is known that comes while nobody listens. Nobody waits for it, it is
 * bounded, and a store that fails loses nothing but that.
 */
export function openKeeper({ journal, keepOpenMost: most, log }: KeeperOptions): Keeper {
  const waiting = new Map<string, OpenSale>()
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> | undefined
  let warned = false

  async function write(): Promise<void> {
    const batch = [...waiting].slice(0, BATCH_MAX)
    try {
      await journal.keepOpen(
        batch.map(([, open]) => open),
        { most: most() },
      )
      for (const [hash, open] of batch) if (waiting.get(hash) === open) waiting.delete(hash)
      warned = false
    } catch (error) {
      if (!warned) log.warn({ fault: describeError(error) }, 'open invoices cannot be remembered right now')
      warned = true
    }
  }

  function later(ms: number): void {
    timer ??= setTimeout(() => {
      timer = undefined
      writing = write().finally(() => {
        writing = undefined
        if (waiting.size > 0) later(warned ? AGAIN_MS : KEEP_MS)
      })
    }, ms).unref()
  }

  return {
    keep({ payableUntil, ...facts }) {
      if (most() === 0) return
      bounded(waiting, UNKEPT_MAX).set(facts.paymentHash, { facts, payableUntilMs: payableUntil * 1000 })
      if (writing === undefined) later(KEEP_MS)
    },
    flush() {
      if (writing === undefined && waiting.size === 0) return undefined
      return (writing ?? Promise.resolve()).then(write)
    },
    close() {
      clearTimeout(timer)
      waiting.clear()
    },
  }
}
