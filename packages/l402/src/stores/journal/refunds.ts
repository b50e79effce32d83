/** Refunds on the shelf: recorded before the ledger has them, so that what a crash leaves undone is found and done. */

import type { Refund, RefundOutcome, Sale, SaleEvent } from '../journal.ts'
import { nextSeq, packRow, readRow, rowName } from './records.ts'
import { emit, type Noting, putSale, reviveToken, salesOfToken } from './sales.ts'
import type { ShelfChange } from './shelf.ts'

/** See `Journal.refund`. */
export async function recordRefund(
  change: ShelfChange,
  asked: Omit<Refund, 'applied'>,
  most: bigint,
): Promise<RefundOutcome> {
  const { key, paymentHash, kind, amount } = asked
  const sale = await readRow<Sale>(change, rowName.sale(paymentHash))
  if (sale === undefined) return { outcome: 'unknown_payment' }
  const known = await readRow<Refund>(change, rowName.refund(key))
  if (known !== undefined) {
    const same = known.paymentHash === paymentHash && known.kind === kind && known.amount === amount
    return same ? { outcome: 'known', refund: known, sale } : { outcome: 'conflict' }
  }
  if (sale.revokedAtMs !== null) return { outcome: 'revoked' }
  const left = most - (await refundedOf(change, sale, kind))
  if (amount > left) return { outcome: 'too_much', most: left < 0n ? 0n : left }
  const refund: Refund = { ...asked, applied: false }
  change.put(rowName.refund(key), packRow(refund))
  change.put(rowName.pending(key), key)
  change.put(rowName.ofPayment(paymentHash, await nextSeq(change)), key)
  const next: Sale =
    kind === 'calls'
      ? { ...sale, refundedCalls: sale.refundedCalls + Number(amount) }
      : { ...sale, refundedMsat: sale.refundedMsat + amount }
  putSale(change, next)
  return { outcome: 'recorded', refund, sale: next }
}

/** An account is the token's, so what its other payments were given back counts too. */
async function refundedOf(change: ShelfChange, sale: Sale, kind: Refund['kind']): Promise<bigint> {
  if (kind === 'calls') return BigInt(sale.refundedCalls)
  if (kind === 'note') return sale.refundedMsat
  return (await salesOfToken(change, sale.tokenId)).reduce((sum, each) => sum + each.refundedMsat, 0n)
}

/** See `Journal.refundApplied`. */
export async function applyRefund(noting: Noting, key: string): Promise<SaleEvent | undefined> {
  const { change, atMs } = noting
  const refund = await readRow<Refund>(change, rowName.refund(key))
  if (refund === undefined || refund.applied) return undefined
  const applied: Refund = { ...refund, applied: true }
  change.put(rowName.refund(key), packRow(applied))
  change.remove(rowName.pending(key))
  const sale = await readRow<Sale>(change, rowName.sale(refund.paymentHash))
  if (sale === undefined) return undefined
  // A note opens nothing again.
  const next = {
    ...sale,
    refundedAtMs: atMs,
    exhaustedAtMs: refund.kind === 'note' ? sale.exhaustedAtMs : null,
  }
  putSale(change, next)
  if (refund.kind === 'credit') await reviveToken(change, next)
  return emit(noting, 'refunded', next, applied)
}
