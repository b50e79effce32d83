/** What was paid for a sale of which only a guess is known. */

import type { InvoiceDetails } from '@turnpike/l402/lightning'
import type { Journal, SaleFacts, SaleNote } from '@turnpike/l402/server'

/** Where amounts are looked for. */
export interface AmountSources {
  readonly journal: Pick<Journal, 'openSale' | 'sale'>
  /** What the node says of an invoice; left out: nothing. */
  readonly details?: (paymentHash: string) => Promise<InvoiceDetails>
  readonly now?: () => number
}

/** All the bitcoin there will be: what a node says beyond that is no amount. */
const MOST_MSAT = 2_100_000_000_000_000_000n
/** For how long a node is not asked for amounts after it has not answered. */
const QUIET_MS = 30_000
/** How long a batch of notes waits for amounts in all. */
const AMOUNTS_MS = 2_000
const AT_ONCE = 8

/**
 * What was paid for challenges that are forgotten: from the journal, or from the node. A guess stays a guess where neither
 * says it.
 */
export function amountFinder({ journal, details, now = Date.now }: AmountSources): {
  better(notes: readonly SaleNote[]): Promise<readonly SaleNote[]>
} {
  let quietUntil = 0

  async function betterFacts(facts: SaleFacts, deadline: number): Promise<SaleFacts> {
    const { paymentHash } = facts
    const asked = (await journal.openSale(paymentHash))?.facts
    if (asked !== undefined) return { ...asked, callsKey: facts.callsKey, endsAtMs: facts.endsAtMs }
    // What is known stays in the journal, whatever is noted.
    if ((await journal.sale(paymentHash))?.amountExact === true) return facts
    if (details === undefined || now() < quietUntil || performance.now() >= deadline) return facts
    try {
      const { state, amountMsat } = await within(details(paymentHash), deadline - performance.now())
      return state === 'settled' && isAmount(amountMsat) ? { ...facts, amountMsat, amountExact: true } : facts
    } catch {
      quietUntil = now() + QUIET_MS
      return facts
    }
  }

  return {
    async better(notes) {
      const found = [...notes]
      const open = found.flatMap(({ facts }, at) => (facts.amountExact ? [] : [at]))
      const deadline = performance.now() + AMOUNTS_MS
      const work = async (): Promise<void> => {
        for (let at = open.shift(); at !== undefined; at = open.shift()) {
          const note = found[at]
          if (note !== undefined) found[at] = { ...note, facts: await betterFacts(note.facts, deadline) }
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      return found
    },
  }
}

function within<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), Math.max(0, ms))
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** Whether a node's word can be an amount: it is taken as hostile. */
export function isAmount(amountMsat: bigint | undefined): amountMsat is bigint {
  return amountMsat !== undefined && amountMsat > 0n && amountMsat <= MOST_MSAT
}
