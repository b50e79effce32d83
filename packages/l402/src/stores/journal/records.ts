/** What stands on a journal's shelf: how rows are named and written. */

import type { Sale, SaleState } from '../journal.ts'
import type { ShelfChange, ShelfView } from './shelf.ts'

/** The version of what stands on a shelf; a newer one is not touched. */
export const JOURNAL_VERSION = 1

/**
 * The names, by their first letter. Numbers have 16 digits, so that names are in their order.
 * - `m/…` one of a kind: `version`, `instance`, `seq`, `waiting`, `dropped`, `dead`, `open`
 * - `s/HASH` a sale · `q/SEQ` its hash, in the order they came · `t/TOKEN/SEQ` its hash, by token · `f/SEQ` token, at its first sale
 * - `z/TOKEN/HASH` a payment on an account that is used up · `g/HASH` a sale that was forgotten and may still open something
 * - `h/HOUR/SERVICE/ROUTE` what a route sold in an hour
 * - `r/KEY` a refund · `p/KEY` one that is not applied · `x/HASH/SEQ` its key, by payment
 * - `a/SEQ` an audit entry
 * - `o/HASH` an invoice that is out · `e/TIME/HASH` its hash, in the order they end · `c/NODE` where to go on listening
 * - `k/RECEIVER/TOKEN/SEQ` a letter · `n/RECEIVER/TIME/SEQ` the name of one whose turn it is · `d/SEQ` a dead one
 */
export const rowName = {
  meta: (name: string): string => `m/${name}`,
  sale: (hash: string): string => `s/${hash}`,
  order: (seq: number): string => `q/${digits(seq)}`,
  ofToken: (tokenId: string, seq: number): string => `t/${tokenId}/${digits(seq)}`,
  firstOfToken: (seq: number): string => `f/${digits(seq)}`,
  usedUp: (tokenId: string, hash: string): string => `z/${tokenId}/${hash}`,
  forgotten: (hash: string): string => `g/${hash}`,
  hour: (hourMs: number, service: string, route: string): string =>
    `h/${digits(hourMs)}/${service}/${encodeURIComponent(route)}`,
  refund: (key: string): string => `r/${key}`,
  pending: (key: string): string => `p/${key}`,
  ofPayment: (hash: string, seq: number): string => `x/${hash}/${digits(seq)}`,
  audit: (seq: number): string => `a/${digits(seq)}`,
  open: (hash: string): string => `o/${hash}`,
  openUntil: (untilMs: number, hash: string): string => `e/${digits(untilMs)}/${hash}`,
  nodeCursor: (node: string): string => `c/${node}`,
  letter: (receiver: string, tokenId: string, seq: number): string =>
    `k/${receiver}/${tokenId}/${digits(seq)}`,
  due: (receiver: string, atMs: number, seq: number): string =>
    `n/${receiver}/${digits(atMs)}/${digits(seq)}`,
  dead: (seq: number): string => `d/${digits(seq)}`,
} as const

/** 16 digits. */
export function digits(value: number): string {
  return String(Math.max(0, Math.floor(value))).padStart(16, '0')
}

/** Fields that hold whole numbers of any size; JSON has none. */
const BIG = new Set(['amountMsat', 'creditMsat', 'refundedMsat', 'amount'])

/** A row's text. */
export function packRow(row: unknown): string {
  return JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

/** What a row's text says; the shelf is ours alone, so it is what was packed. */
export function unpackRow<T>(text: string): T {
  return JSON.parse(text, (key, value: unknown) =>
    BIG.has(key) && typeof value === 'string' ? BigInt(value) : value,
  ) as T
}

/** The row of that name. */
export async function readRow<T>(view: ShelfView, name: string): Promise<T | undefined> {
  const text = await view.get(name)
  return text === undefined ? undefined : unpackRow<T>(text)
}

/** One of a kind that counts; 0 if it is not there. */
export async function readCount(view: ShelfView, name: string): Promise<number> {
  return Number((await view.get(rowName.meta(name))) ?? 0)
}

/** Adds to it; answers what it is then. */
export async function addCount(change: ShelfChange, name: string, by: number): Promise<number> {
  const count = (await readCount(change, name)) + by
  change.put(rowName.meta(name), String(count))
  return count
}

/** A number that nothing else in the journal has. */
export function nextSeq(change: ShelfChange): Promise<number> {
  return addCount(change, 'seq', 1)
}

/** The last state that a sale came to. */
export function stateOf(sale: Sale): SaleState {
  if (sale.revokedAtMs !== null) return 'revoked'
  if (sale.exhaustedAtMs !== null) return 'exhausted'
  if (sale.refundedAtMs !== null) return 'refunded'
  return sale.redeemedAtMs === null ? 'settled' : 'redeemed'
}
