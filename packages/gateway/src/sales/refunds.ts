/**
 * Refunds, as new credit:
 * - of a bundle: calls that were used, back on an account of their own, drawn when the bundle is used up; at most as many as
 *   served somebody, over all refunds of the payment
 * - of credit: msat that were used, back on the account; at most what was used of it, over all refunds of the token
 * - of a pass: nothing is counted, so nothing can be given back here. It is written down that the seller paid something
 *   back elsewhere, at most what was paid; the pass goes on until it ends or is revoked
 *
 * First the journal, then the ledger (once per key, by its rule 1), then the journal again: what a crash leaves between
 * is finished at the next start.
 */

import { createHash } from 'node:crypto'
import { decodeHex } from '@turnpike/l402'
import {
  callRefundAccount,
  type Journal,
  type Refund,
  type Sale,
  type SaleEvent,
  type Subscribers,
  takenOffKeys,
} from '@turnpike/l402/server'
import type { Ledger } from '../metrics/watched.ts'

/** What is asked for. */
interface RefundRequest {
  /** 64 hex digits. */
  readonly paymentHash: string
  /** Left out: all that may be given back. */
  readonly calls?: number
  readonly amountMsat?: bigint
  readonly reason: string
  /** The same again is the same refund. */
  readonly idempotencyKey: string
  readonly by: string
}

/** What comes of it. */
export type RefundAnswer =
  | { readonly ok: true; readonly refund: Refund; readonly isNew: boolean }
  | {
      readonly ok: false
      readonly code:
        | 'unknown_payment'
        | 'wrong_unit'
        | 'nothing_to_refund'
        | 'too_much'
        | 'revoked'
        | 'conflict'
      readonly detail: string
    }

/** Gives back. Throws `store_unavailable`; asked again with the same key, it goes on where it was. */
export interface Refunds {
  give(request: RefundRequest): Promise<RefundAnswer>
  /** Finishes what was begun. */
  finish(): Promise<void>
}

/** What refunds work with. */
export interface RefundsOptions {
  readonly journal: Journal
  readonly ledger: Pick<Ledger, 'credit' | 'read'>
  readonly subscribers: () => Subscribers
  readonly onEvents: (events: readonly SaleEvent[]) => void
  readonly now?: () => number
}

/** How old a refund must be to be somebody's who does not finish it. */
const UNFINISHED_MS = 30_000

/** See {@link Refunds}. */
export function createRefunds({
  journal,
  ledger,
  subscribers,
  onEvents,
  now = Date.now,
}: RefundsOptions): Refunds {
  async function most(sale: Sale, kind: Refund['kind']): Promise<bigint> {
    if (kind === 'note') return sale.amountMsat ?? 0n
    const key = bytes(kind === 'calls' ? sale.callsKey : sale.tokenId)
    if (key === undefined) return 0n
    // An account is the token's: whatever its payments' sessions were paid back in satoshis was taken off it.
    const sales = kind === 'calls' ? [sale] : ((await journal.token(sale.tokenId))?.sales ?? [])
    const hashes = sales.map(({ paymentHash }) => bytes(paymentHash)).filter((hash) => hash !== undefined)
    const [state, ...taken] = await ledger.read([key, ...hashes.flatMap(takenOffKeys)])
    const served = taken.reduce((left, counter) => left - (counter?.used ?? 0n), state?.used ?? 0n)
    return served < 0n ? 0n : served
  }

  async function apply(refund: Refund, sale: Sale | undefined): Promise<Refund> {
    const { key, kind, amount, paymentHash, tokenId } = refund
    const hash = bytes(paymentHash)
    const account = kind === 'calls' && hash !== undefined ? callRefundAccount(hash) : bytes(tokenId)
    const own = bytes(key)
    if (kind !== 'note' && own !== undefined && account !== undefined) {
      const redemption = {
        paymentHash: own,
        tokenId: account,
        service: sale?.service ?? '',
        endsAtMs: sale?.endsAtMs ?? null,
      }
      await ledger.credit(redemption, amount)
    }
    const event = await journal.refundApplied(key, { atMs: now(), subscribers: subscribers() })
    if (event !== undefined) onEvents([event])
    return { ...refund, applied: true }
  }

  return {
    async give({ paymentHash, calls, amountMsat, reason, idempotencyKey, by }) {
      const sale = await journal.sale(paymentHash)
      if (sale === undefined) return no('unknown_payment', 'no payment with this hash is written down')
      const kind = sale.grants.creditMsat !== null ? 'credit' : sale.grants.calls !== null ? 'calls' : 'note'
      if (kind === 'calls' ? amountMsat !== undefined : calls !== undefined)
        return no(
          'wrong_unit',
          `expected ${kind === 'calls' ? '"calls"' : '"amountMsat"'}: this payment bought ${WORDS[kind]}`,
        )
      if (kind === 'note' && amountMsat === undefined)
        return no('wrong_unit', 'expected "amountMsat": what was paid back for this pass')
      const limit = await most(sale, kind)
      const before = kind === 'calls' ? BigInt(sale.refundedCalls) : sale.refundedMsat
      const amount = calls === undefined ? (amountMsat ?? limit - before) : BigInt(calls)
      const key = createHash('sha256')
        .update(`turnpike refund ${paymentHash} ${idempotencyKey}`)
        .digest('hex')
      // Asked again it is not nothing, though nothing is left.
      const earlier = (await journal.refundsOf(paymentHash)).find((refund) => refund.key === key)
      if (amount <= 0n && earlier === undefined)
        return no('nothing_to_refund', 'nothing of this payment was used that has not been given back')
      const outcome = await journal.refund(
        {
          key,
          paymentHash,
          tokenId: sale.tokenId,
          kind,
          amount: calls === undefined && amountMsat === undefined ? (earlier?.amount ?? amount) : amount,
          reason,
          by,
          atMs: now(),
        },
        limit,
      )
      switch (outcome.outcome) {
        case 'recorded':
        case 'known': {
          const { refund } = outcome
          const done = refund.applied ? refund : await apply(refund, outcome.sale)
          return { ok: true, refund: done, isNew: outcome.outcome === 'recorded' }
        }
        case 'too_much':
          return no(
            'too_much',
            `expected at most ${outcome.most} ${kind === 'calls' ? 'calls' : 'msat'}: no more was used`,
          )
        case 'revoked':
          return no('revoked', 'the payment is revoked: nothing that is given back could be used')
        case 'conflict':
          return no('conflict', 'the Idempotency-Key stands for another refund')
        case 'unknown_payment':
          return no('unknown_payment', 'no payment with this hash is written down')
      }
    },
    async finish() {
      for (const refund of await journal.pendingRefunds())
        if (refund.atMs <= now() - UNFINISHED_MS) await apply(refund, await journal.sale(refund.paymentHash))
    },
  }
}

const WORDS = { calls: 'calls', credit: 'credit', note: 'a pass' } as const

function no(code: Exclude<RefundAnswer, { ok: true }>['code'], detail: string): RefundAnswer {
  return { ok: false, code, detail }
}

function bytes(hex: string | null): Uint8Array | undefined {
  return hex === null ? undefined : (decodeHex(hex) ?? undefined)
}
