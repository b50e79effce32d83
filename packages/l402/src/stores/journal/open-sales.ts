/** Invoices that are out: what will have been sold if one is paid, kept until that is known. */

import type { OpenSale } from '../journal.ts'
import { addCount, digits, packRow, readCount, readRow, rowName } from './records.ts'
import { type ShelfChange, type ShelfView, within } from './shelf.ts'

/** Most that one change takes off the shelf to make room. */
const ROOM_MAX = 1_000

/** See `Journal.keepOpen`. */
export async function keepOpenSales(
  change: ShelfChange,
  open: readonly OpenSale[],
  most: number,
): Promise<void> {
  let added = 0
  for (const sale of open) {
    const hash = sale.facts.paymentHash
    // Sold before this was written: nobody looks for it any more.
    if ((await change.get(rowName.sale(hash))) !== undefined) continue
    const before = await readRow<OpenSale>(change, rowName.open(hash))
    if (before === undefined) added++
    else change.remove(rowName.openUntil(before.payableUntilMs, hash))
    change.put(rowName.open(hash), packRow(sale))
    change.put(rowName.openUntil(sale.payableUntilMs, hash), hash)
  }
  const over = (await readCount(change, 'open')) + added - most
  let gone = 0
  if (over > 0) {
    for (const [name, hash] of await change.scan(within('e/', Math.min(over, ROOM_MAX)))) {
      change.remove(name)
      change.remove(rowName.open(hash))
      gone++
    }
  }
  if (added !== gone) await addCount(change, 'open', added - gone)
}

/** It is sold, or can never be. */
export async function dropOpenSale(change: ShelfChange, paymentHash: string): Promise<void> {
  const open = await readRow<OpenSale>(change, rowName.open(paymentHash))
  if (open === undefined) return
  change.remove(rowName.open(paymentHash))
  change.remove(rowName.openUntil(open.payableUntilMs, paymentHash))
  await addCount(change, 'open', -1)
}

/** The range of names of those that end before a time. */
export function endingBefore(endBeforeMs: number | undefined): { readonly to?: string } {
  return endBeforeMs === undefined ? {} : { to: `e/${digits(endBeforeMs)}` }
}

/** What is kept of one. */
export function readOpenSale(view: ShelfView, paymentHash: string): Promise<OpenSale | undefined> {
  return readRow<OpenSale>(view, rowName.open(paymentHash))
}
