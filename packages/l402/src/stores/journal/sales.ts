/** Sales on the shelf: merged facts, and the events that come of them, each once. */

import { encodeHex } from '../../core/bytes.ts'
import type {
  HourOfSales,
  Refund,
  Sale,
  SaleEvent,
  SaleEventType,
  SaleNote,
  Subscribers,
} from '../journal.ts'
import { dropOpenSale } from './open-sales.ts'
import { enqueue } from './outbox.ts'
import { nextSeq, packRow, readRow, rowName } from './records.ts'
import { entriesUnder, type ShelfChange, within } from './shelf.ts'

const HOUR_MS = 3_600_000

/** A change of the journal and whom its events go to. */
export interface Noting {
  readonly change: ShelfChange
  readonly atMs: number
  readonly subscribers: Subscribers
}

/** Merges one note; see `Journal.note`. */
export async function noteSale(
  change: ShelfChange,
  { type, facts, atMs }: SaleNote,
  subscribers: Subscribers,
): Promise<readonly SaleEvent[]> {
  const noting = { change, atMs, subscribers }
  const events: SaleEvent[] = []
  const happened = async (what: SaleEventType, sale: Sale): Promise<void> => {
    events.push(await emit(noting, what, sale))
  }
  const known = await readRow<Sale>(change, rowName.sale(facts.paymentHash))
  // Its row is gone: it was sold once, and nothing of it is told any more.
  if (known === undefined && (await change.get(rowName.forgotten(facts.paymentHash))) !== undefined) return []
  let sale = known === undefined ? await addSale(change, facts, atMs) : await mergeFacts(change, known, facts)
  if (known === undefined) await happened('settled', sale)
  // Whoever has used it up has opened something with it.
  if (type !== 'settled' && sale.redeemedAtMs === null) {
    sale = { ...sale, redeemedAtMs: atMs }
    await happened('redeemed', sale)
    // A payment on the same account: it is not used up any more.
    if (sale.grants.creditMsat !== null) await reviveToken(change, sale)
  }
  if (type === 'exhausted' && sale.exhaustedAtMs === null) {
    sale = { ...sale, exhaustedAtMs: atMs }
    if (sale.grants.creditMsat !== null) change.put(rowName.usedUp(sale.tokenId, sale.paymentHash), '')
    await happened('exhausted', sale)
  }
  if (sale !== known) putSale(change, sale)
  return events
}

async function addSale(change: ShelfChange, facts: SaleNote['facts'], atMs: number): Promise<Sale> {
  const { paymentHash, tokenId, service, route, amountMsat } = facts
  const seq = await nextSeq(change)
  await dropOpenSale(change, paymentHash)
  const [earlier] = await change.scan(within(`t/${tokenId}/`, 1))
  if (earlier === undefined) change.put(rowName.firstOfToken(seq), tokenId)
  change.put(rowName.order(seq), paymentHash)
  change.put(rowName.ofToken(tokenId, seq), paymentHash)
  await addToHour(change, { service, route, atMs, sales: 1, amountMsat: amountMsat ?? 0n })
  return {
    ...facts,
    seq,
    settledAtMs: atMs,
    redeemedAtMs: null,
    exhaustedAtMs: null,
    revokedAtMs: null,
    refundedAtMs: null,
    refundedCalls: 0,
    refundedMsat: 0n,
  }
}

/** What is known stays; a better amount takes the place of a worse one. */
async function mergeFacts(change: ShelfChange, known: Sale, facts: SaleNote['facts']): Promise<Sale> {
  const { amountMsat, amountExact } = facts
  const better = amountMsat !== null && (known.amountMsat === null || (amountExact && !known.amountExact))
  const merged: Sale = {
    ...known,
    ...(better ? { amountMsat, amountExact } : {}),
    grants: {
      calls: known.grants.calls ?? facts.grants.calls,
      creditMsat: known.grants.creditMsat ?? facts.grants.creditMsat,
      validSeconds: known.grants.validSeconds ?? facts.grants.validSeconds,
    },
    callsKey: known.callsKey ?? facts.callsKey,
    endsAtMs: known.endsAtMs ?? facts.endsAtMs,
  }
  if (packRow(merged) === packRow(known)) return known
  if (better && amountMsat !== known.amountMsat) {
    const { service, route, settledAtMs: atMs } = known
    await addToHour(change, {
      service,
      route,
      atMs,
      sales: 0,
      amountMsat: amountMsat - (known.amountMsat ?? 0n),
    })
  }
  return merged
}

interface HourChange {
  readonly service: string
  readonly route: string
  readonly atMs: number
  readonly sales: number
  readonly amountMsat: bigint
}

async function addToHour(
  change: ShelfChange,
  { service, route, atMs, sales, amountMsat }: HourChange,
): Promise<void> {
  const hourMs = Math.floor(atMs / HOUR_MS) * HOUR_MS
  const name = rowName.hour(hourMs, service, route)
  const before = await readRow<HourOfSales>(change, name)
  const row: HourOfSales = {
    hourMs,
    service,
    route,
    sales: (before?.sales ?? 0) + sales,
    amountMsat: (before?.amountMsat ?? 0n) + amountMsat,
  }
  change.put(name, packRow(row))
}

/** Writes a sale's row. */
export function putSale(change: ShelfChange, sale: Sale): void {
  change.put(rowName.sale(sale.paymentHash), packRow(sale))
}

/** The payments of a token, the oldest first: all of them if `most` is left out. */
export async function salesOfToken(
  change: Pick<ShelfChange, 'get' | 'scan'>,
  tokenId: string,
  most: number = Number.POSITIVE_INFINITY,
): Promise<readonly Sale[]> {
  const sales: Sale[] = []
  for await (const [, hash] of entriesUnder(change, `t/${tokenId}/`)) {
    const sale = await readRow<Sale>(change, rowName.sale(hash))
    if (sale !== undefined) sales.push(sale)
    if (sales.length >= most) break
  }
  return sales
}

/** There is credit on the account again, so that its end is an event again. */
export async function reviveToken(change: ShelfChange, { tokenId, paymentHash }: Sale): Promise<void> {
  for await (const [name] of entriesUnder(change, `z/${tokenId}/`)) {
    const hash = name.split('/')[2] ?? ''
    if (hash === paymentHash) continue
    change.remove(name)
    const sale = await readRow<Sale>(change, rowName.sale(hash))
    if (sale !== undefined) putSale(change, { ...sale, exhaustedAtMs: null })
  }
}

/** An event, and its letters. */
export async function emit(
  { change, atMs, subscribers }: Noting,
  type: SaleEventType,
  sale: Sale,
  refund?: Refund,
): Promise<SaleEvent> {
  const instance = await instanceOf(change)
  const seq = await nextSeq(change)
  const event: SaleEvent = {
    id: `evt_${instance}_${seq}`,
    type,
    atMs,
    sale,
    ...(refund === undefined ? {} : { refund }),
  }
  for (const receiver of subscribers[type] ?? []) await enqueue(change, event, receiver)
  return event
}

/** A random name of this journal: one that begins anew must not give its ids a second time. */
async function instanceOf(change: ShelfChange): Promise<string> {
  const known = await change.get(rowName.meta('instance'))
  const name = known ?? encodeHex(crypto.getRandomValues(new Uint8Array(6)))
  if (known === undefined) change.put(rowName.meta('instance'), name)
  return name
}
