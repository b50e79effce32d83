/** The purse as one grant sees it: its own purchases and credentials, and its own limit beneath the user's. */

import type { PaymentRecord, PurseStore } from '@turnpike/l402/client'
import type { Grant, GrantBook } from './grant-book.ts'

/** A hold whose payment is not in the purse after so long was given up before it got there. */
const LOST_AFTER_MS = 60_000
/** Payments that are looked through for the grant's own at first, and then eight times as many. */
const LOOKED_THROUGH = 1_000

/**
 * Makes the view. A grant spends no credential that was bought outside it, and neither sees nor settles the payments
 * of others; an invoice is paid once whoever asks.
 */
export function grantPurse(
  purse: PurseStore,
  { book, grant, now = Date.now }: { book: GrantBook; grant: Pick<Grant, 'id'>; now?: () => number },
): PurseStore {
  /** Whether this very payment was made under the grant: its invoice may have been paid outside later. */
  const isOwn = async (paymentHash: Uint8Array): Promise<boolean> => {
    const hold = book.holdOf(grant.id, paymentHash)
    const payment = hold && (await purse.payment(paymentHash))
    return payment !== undefined && hold?.stampsMs.includes(payment.createdAtMs) === true
  }
  const own = async <T extends { readonly paymentHash: Uint8Array }>(all: readonly T[]): Promise<T[]> => {
    const found: T[] = []
    for (const one of all) if (await isOwn(one.paymentHash)) found.push(one)
    return found
  }
  /** Takes over what was found out elsewhere about purchases whose end was open. */
  const refresh = async (): Promise<void> => {
    for (const { row, paymentHash, createdAtMs, stampsMs } of book.openHolds(grant.id)) {
      const payment = await purse.payment(paymentHash)
      // An earlier attempt with the same invoice says nothing about this one.
      if (payment && stampsMs.includes(payment.createdAtMs)) book.correctHold(row, countsOf(payment))
      // What stands there may be an attempt of before, which failed, with the same invoice.
      else if (
        !(payment && payment.createdAtMs > Math.min(...stampsMs)) &&
        now() - createdAtMs > LOST_AFTER_MS
      )
        book.dropHold(row)
    }
  }
  const correct = async (paymentHash: Uint8Array): Promise<void> => {
    const payment = await purse.payment(paymentHash)
    if (payment && (await isOwn(paymentHash))) book.correct(paymentHash, countsOf(payment))
  }
  return {
    ...purse,
    async setBudget() {
      throw new RangeError('a grant sets no budget')
    },
    async fits(cost, limits) {
      await refresh()
      const answer = book.fits(grant.id, cost.amountMsat + cost.maxFeeMsat)
      return answer.ok ? await purse.fits(cost, limits) : answer
    },
    async reserve(intent, limits) {
      await refresh()
      const { paymentHash, amountMsat, maxFeeMsat, createdAtMs } = intent
      const held = book.hold(grant.id, { paymentHash, msat: amountMsat + maxFeeMsat, createdAtMs })
      if (!held.ok) return held
      let kept = false
      try {
        const answer = await purse.reserve(intent, limits)
        kept = answer.ok
        return answer
      } finally {
        const hold = kept ? undefined : book.holdOf(grant.id, paymentHash)
        if (hold) book.dropHold(hold.row)
      }
    },
    async renew(paymentHash, order, limits) {
      await refresh()
      if (!(await isOwn(paymentHash))) throw new RangeError('this payment was not made under the grant')
      // Its own hold first: a payment moved on without it would be nobody's, and bought a second time.
      const held = book.renew(grant.id, { paymentHash, nowMs: order.nowMs })
      return held.ok ? await purse.renew(paymentHash, order, limits) : held
    },
    async settle(paymentHash, outcome) {
      const credential = await purse.settle(paymentHash, outcome)
      await correct(paymentHash)
      return credential
    },
    async conclude(paymentHash, outcome) {
      await purse.conclude(paymentHash, outcome)
      await correct(paymentHash)
    },
    credentials: async (origin) => await own(await purse.credentials(origin)),
    openPayments: async (scope) => await own(await purse.openPayments(scope)),
    async payments(limit, scope) {
      for (let most = Math.max(limit, LOOKED_THROUGH); ; most *= 8) {
        const all = await purse.payments(most, scope)
        const mine = await own(all)
        if (mine.length >= limit || all.length < most) return mine.slice(0, limit)
      }
    },
    quote: async () => undefined,
    // The purse itself is the daemon's.
    close: async () => {},
  }
}

/** What a payment counts for: the worst as long as its end is open, the truth afterwards (rule C3). */
function countsOf({ state, amountMsat, feeMsat, maxFeeMsat }: PaymentRecord): {
  readonly msat: bigint
  readonly open: boolean
} {
  if (state === 'failed') return { msat: 0n, open: false }
  if (state === 'settled') return { msat: amountMsat + feeMsat, open: false }
  return { msat: amountMsat + (state === 'paid_unproven' ? feeMsat : maxFeeMsat), open: true }
}
