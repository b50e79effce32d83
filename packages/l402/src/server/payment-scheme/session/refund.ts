/**
 * Paying back what closing has taken off a balance: at most once, and never more than was taken, fees included. What cannot be
 * paid goes back on the balance, where the L402 credential of the same payment still finds it.
 */

import { isL402Error } from '../../../core/errors.ts'
import type { RefundStatus } from '../../../core/payment-scheme/session.ts'
import type { PaymentBackend, PaymentOutcome } from '../../../lightning/backend.ts'
import type { Ledger } from '../../../stores/ledger.ts'
import { insist } from '../../entitlement.ts'
import { outcomeKey, putBackKey, refundKey, takenKey } from './keys.ts'
import { encodeFact, readFact, recall, writeOnce } from './recall.ts'
import type { SessionRecord } from './record.ts'

/** How a session was closed. */
export interface Closing {
  /** Id of the challenge that it was closed with; `null`: the server closed it. */
  readonly challengeId: string | null
  /** What was paid back, or was to be. */
  readonly refundSats: number
  readonly refundStatus: RefundStatus
  /** Milliseconds since 1970. */
  readonly atMs: number
}

/** What refunds work with. */
export interface RefundsOptions {
  readonly ledger: Ledger
  readonly wallet: PaymentBackend | undefined
  readonly now: () => number
  /** Milliseconds since 1970 until which what is written down now is kept. */
  readonly untilMs: () => number
  readonly onClosed: (record: SessionRecord, closing: Closing) => void
}

/** Pays back. Throws `store_unavailable`. */
export interface Refunds {
  /** How the session was closed; pays back what was not tried yet. `undefined`: another process is about to. */
  settle(record: SessionRecord, challengeId: string | null): Promise<Closing | undefined>
}

/** How long one attempt may take. */
const ATTEMPT_MS = 20_000
/** From when on a payment that the wallet does not know was never sent. */
const NEVER_SENT_MS = 600_000
/** Share of a refund that its way may cost, where it is not to be had for nothing. */
const FEE_SHARE = 100n

/** What so many units of a session were bought for. Rounded down (protocol §5 rule 6). */
export function worthMsat({ paidMsat, units: bought }: SessionRecord, units: bigint): bigint {
  return (units * paidMsat) / bought
}

/** The fewest units that are worth so much. */
export function unitsWorth({ paidMsat, units: bought }: SessionRecord, amountMsat: bigint): bigint {
  return (amountMsat * bought + paidMsat - 1n) / paidMsat
}

/** See {@link Refunds}. */
export function createRefunds({ ledger, wallet, now, untilMs, onClosed }: RefundsOptions): Refunds {
  const place = (key: Uint8Array, { sessionId }: SessionRecord) => ({
    key,
    owner: sessionId,
    untilMs: untilMs(),
  })

  async function putBack(
    { sessionId, balance, service, endsAtMs }: SessionRecord,
    units: bigint,
  ): Promise<void> {
    if (units < 1n) return
    const redemption = { paymentHash: putBackKey(sessionId), tokenId: balance.account, service, endsAtMs }
    // Once, however often it is tried (protocol §5 rule 1).
    await ledger.credit(redemption, units)
  }

  /** What becomes of `taken` units whose refund has ended so. */
  async function end(
    record: SessionRecord,
    taken: bigint,
    { closing, costMsat }: { readonly closing: Closing; readonly costMsat: bigint },
  ): Promise<Closing> {
    await putBack(record, taken - unitsWorth(record, costMsat))
    return closing
  }

  async function attempt(record: SessionRecord, taken: bigint, begun: Closing): Promise<Closing | 'unknown'> {
    const allMsat = BigInt(begun.refundSats) * 1000n
    const failed = { ...begun, refundStatus: 'failed' } as const
    if (wallet === undefined) return end(record, taken, { closing: failed, costMsat: 0n })
    const whole = await pay(wallet, record, { amountMsat: allMsat, maxFeeMsat: 0n })
    if (isPaid(whole))
      return end(record, taken, {
        closing: { ...begun, refundStatus: 'succeeded' },
        costMsat: allMsat + whole.feeMsat,
      })
    if (whole.status !== 'failed') return 'unknown'
    // Its way costs something, which is taken from it: else a client could have the seller's node pay fees to it.
    const sats = (allMsat - (allMsat + FEE_SHARE - 1n) / FEE_SHARE) / 1000n
    const lessMsat = sats * 1000n
    if (lessMsat < 1000n) return end(record, taken, { closing: failed, costMsat: 0n })
    const less = await pay(wallet, record, { amountMsat: lessMsat, maxFeeMsat: allMsat - lessMsat })
    if (isPaid(less))
      return end(record, taken, {
        closing: { ...begun, refundSats: Number(sats), refundStatus: 'succeeded' },
        costMsat: min(lessMsat + less.feeMsat, allMsat),
      })
    return less.status === 'failed' ? end(record, taken, { closing: failed, costMsat: 0n }) : 'unknown'
  }

  /** An attempt whose end nobody saw: what the wallet knows of it by now. It is never paid again. */
  async function lookUp(record: SessionRecord, taken: bigint, begun: Closing): Promise<Closing> {
    const known = await recall(ledger, place(outcomeKey(record.sessionId), record))
    if (typeof known === 'object') return known as Closing
    if (wallet === undefined || known !== undefined) return begun
    const outcome = await wallet.lookupPayment(record.returnHash)
    const allMsat = BigInt(begun.refundSats) * 1000n
    const never = outcome.status === 'not_found' && now() - begun.atMs > NEVER_SENT_MS
    const ended = isPaid(outcome)
      ? // Which of the two amounts it was, nobody knows any more: nothing is put back.
        await end(record, taken, { closing: { ...begun, refundStatus: 'succeeded' }, costMsat: allMsat })
      : outcome.status === 'failed' || never
        ? await end(record, taken, { closing: { ...begun, refundStatus: 'failed' }, costMsat: 0n })
        : undefined
    if (ended === undefined) return begun
    const written = await writeOnce(ledger, place(outcomeKey(record.sessionId), record), ended)
    if (typeof written !== 'object') return begun
    onClosed(record, ended)
    return written as Closing
  }

  return {
    async settle(record, challengeId) {
      const { sessionId } = record
      const [state] = await ledger.read([takenKey(sessionId)])
      const taken = state?.used ?? 0n
      const refundSats = Number(worthMsat(record, taken) / 1000n)
      const { key, owner, untilMs: until } = place(refundKey(sessionId), record)
      const found = await ledger.claim({ key, digest: owner, untilMs: until })
      if (found.state === 'answered') {
        const closing = readFact(found.answer) as Closing
        return closing.refundStatus === 'pending' ? lookUp(record, taken, closing) : closing
      }
      if (found.state !== 'claimed') return undefined
      const begun: Closing = { challengeId, refundSats, refundStatus: 'pending', atMs: Math.floor(now()) }
      let ended: Closing | 'unknown' = { ...begun, refundStatus: 'skipped' }
      if (refundSats > 0) {
        try {
          // From here on a crash leaves an attempt that is looked up, not made again.
          await ledger.serveClaim(key, encodeFact(begun))
        } catch (error) {
          void insist(() => ledger.unclaim(key))
          throw error
        }
        ended = await attempt(record, taken, begun).catch(() => 'unknown' as const)
      }
      const closing = ended === 'unknown' ? begun : ended
      await insist(() => ledger.answer(key, encodeFact(closing)))
      onClosed(record, closing)
      return closing
    },
  }
}

type Paid = Extract<PaymentOutcome, { readonly feeMsat: bigint }>

function isPaid(outcome: PaymentOutcome): outcome is Paid {
  return outcome.status === 'paid' || outcome.status === 'paid_unproven'
}

async function pay(
  wallet: PaymentBackend,
  { returnInvoice: invoice, returnHash: paymentHash }: SessionRecord,
  amounts: { readonly amountMsat: bigint; readonly maxFeeMsat: bigint },
): Promise<PaymentOutcome> {
  try {
    return await wallet.pay({ invoice, paymentHash, ...amounts, anyAmount: true, timeoutMs: ATTEMPT_MS })
  } catch (error) {
    // Certainly not sent; of any other fault nobody knows.
    if (isL402Error(error, 'lightning_unavailable')) return { status: 'failed', detail: error.message }
    return { status: 'unknown', detail: 'the wallet failed' }
  }
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
