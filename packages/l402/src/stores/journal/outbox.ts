/** Letters on the shelf: one queue for each receiver and token, of which only the first is due. */

import type { DeadLetter, Journal, Letter, SaleEvent } from '../journal.ts'
import { addCount, digits, nextSeq, packRow, readCount, readRow, rowName, unpackRow } from './records.ts'
import { type ShelfChange, type ShelfView, within } from './shelf.ts'

/** Most letters that wait; an event more is not sent, and counted. */
const LETTERS_MAX = 100_000
/** Most dead letters that are kept: the newest. */
const DEAD_MAX = 1_000

interface LetterRow extends Letter {
  readonly seq: number
  /** Its name among those that are due; `null`: it waits for one before it. */
  readonly due: string | null
}

/** What receivers are told of an event: no credential, and nothing that opens anything. */
function bodyOf({ type, atMs, sale, refund }: SaleEvent): string {
  const { paymentHash, tokenId, service, route, amountMsat, grants } = sale
  return JSON.stringify({
    type,
    timestamp: new Date(atMs).toISOString(),
    data: {
      tokenId,
      paymentHash,
      service,
      route,
      amountMsat: amountMsat === null ? null : Number(amountMsat),
      grants: {
        calls: grants.calls,
        creditMsat: grants.creditMsat === null ? null : Number(grants.creditMsat),
        validSeconds: grants.validSeconds,
      },
      ...(refund === undefined
        ? {}
        : { refund: { kind: refund.kind, amount: Number(refund.amount), reason: refund.reason } }),
    },
  })
}

/** Puts an event into the queue of a receiver. */
export async function enqueue(change: ShelfChange, event: SaleEvent, receiver: string): Promise<void> {
  const { id: eventId, type, atMs: createdAtMs, sale } = event
  await put(change, { receiver, eventId, type, tokenId: sale.tokenId, body: bodyOf(event), createdAtMs })
}

async function put(change: ShelfChange, draft: Omit<Letter, 'key' | 'attempts'>): Promise<void> {
  if ((await readCount(change, 'waiting')) >= LETTERS_MAX) {
    await addCount(change, 'dropped', 1)
    return
  }
  const { receiver, tokenId, createdAtMs } = draft
  const [before] = await change.scan(within(`k/${receiver}/${tokenId}/`, 1))
  const seq = await nextSeq(change)
  const key = rowName.letter(receiver, tokenId, seq)
  const row: LetterRow = { ...draft, key, attempts: 0, seq, due: null }
  if (before === undefined) setDue(change, row, createdAtMs)
  else change.put(key, packRow(row))
  await addCount(change, 'waiting', 1)
}

function setDue(change: ShelfChange, row: LetterRow, atMs: number): LetterRow {
  if (row.due !== null) change.remove(row.due)
  const due = rowName.due(row.receiver, atMs, row.seq)
  const next = { ...row, due }
  change.put(due, row.key)
  change.put(row.key, packRow(next))
  return next
}

/** See `Journal.take`. */
export async function takeLetters(
  change: ShelfChange,
  { receivers, nowMs, leaseMs, limit }: Parameters<Journal['take']>[0],
): Promise<readonly Letter[]> {
  const taken: Letter[] = []
  for (const receiver of receivers) {
    const range = {
      from: `n/${receiver}/`,
      to: `n/${receiver}/${digits(nowMs + 1)}`,
      limit: limit - taken.length,
    }
    if (range.limit < 1) break
    for (const [due, key] of await change.scan(range)) {
      const row = await readRow<LetterRow>(change, key)
      if (row === undefined) change.remove(due)
      else taken.push(letterOf(setDue(change, { ...row, attempts: row.attempts + 1 }, nowMs + leaseMs)))
    }
  }
  return taken
}

/** See `Journal.nextDueMs`. */
export async function nextDue(view: ShelfView, receivers: readonly string[]): Promise<number | null> {
  let soonest: number | null = null
  for (const receiver of receivers) {
    const [first] = await view.scan(within(`n/${receiver}/`, 1))
    const atMs = first === undefined ? undefined : Number(first[0].split('/')[2])
    if (atMs !== undefined && (soonest === null || atMs < soonest)) soonest = atMs
  }
  return soonest
}

/** Takes a letter out of its queue; the next one of its token is due. */
async function removeLetter(change: ShelfChange, row: LetterRow, nowMs: number): Promise<void> {
  change.remove(row.key)
  if (row.due !== null) change.remove(row.due)
  await addCount(change, 'waiting', -1)
  const [next] = await change.scan(within(`k/${row.receiver}/${row.tokenId}/`, 1))
  if (next !== undefined && row.due !== null) setDue(change, unpackRow<LetterRow>(next[1]), nowMs)
}

/** See `Journal.delivered`. */
export async function letterDelivered(change: ShelfChange, key: string, nowMs: number): Promise<void> {
  const row = await readRow<LetterRow>(change, key)
  if (row !== undefined) await removeLetter(change, row, nowMs)
}

/** See `Journal.postpone`. */
export async function letterFailed(
  change: ShelfChange,
  key: string,
  { atMs, nowMs, why }: Parameters<Journal['postpone']>[1],
): Promise<void> {
  const row = await readRow<LetterRow>(change, key)
  if (row === undefined) return
  if (atMs !== null) {
    setDue(change, row, atMs)
    return
  }
  await removeLetter(change, row, nowMs)
  const dead: DeadLetter = { ...letterOf(row), diedAtMs: nowMs, why }
  change.put(rowName.dead(await nextSeq(change)), packRow(dead))
  if ((await addCount(change, 'dead', 1)) <= DEAD_MAX) return
  for (const [oldest] of await change.scan(within('d/', 1))) change.remove(oldest)
  await addCount(change, 'dead', -1)
}

/** See `Journal.redeliver`. */
export async function redeliverLetter(
  change: ShelfChange,
  eventId: string,
  { receiver, nowMs }: Parameters<Journal['redeliver']>[1],
): Promise<boolean> {
  for (const [name, text] of await change.scan(within('d/', DEAD_MAX))) {
    const { type, tokenId, body, ...dead } = unpackRow<DeadLetter>(text)
    if (dead.eventId !== eventId || dead.receiver !== receiver) continue
    change.remove(name)
    await addCount(change, 'dead', -1)
    // Its time begins anew, else it would be given up at once.
    await put(change, { receiver, eventId, type, tokenId, body, createdAtMs: nowMs })
    return true
  }
  return false
}

/** Removes letters and dead letters of before `beforeMs`; answers how many. */
export async function pruneLetters(change: ShelfChange, beforeMs: number, limit: number): Promise<number> {
  let removed = 0
  for (const [, key] of await change.scan(within('n/', limit))) {
    const row = await readRow<LetterRow>(change, key)
    if (row === undefined || row.createdAtMs >= beforeMs) continue
    await removeLetter(change, row, beforeMs)
    removed++
  }
  for (const [name, text] of await change.scan(within('d/', limit))) {
    if (unpackRow<DeadLetter>(text).diedAtMs >= beforeMs) break
    change.remove(name)
    await addCount(change, 'dead', -1)
    removed++
  }
  return removed
}

function letterOf({ key, receiver, eventId, type, tokenId, body, createdAtMs, attempts }: LetterRow): Letter {
  return { key, receiver, eventId, type, tokenId, body, createdAtMs, attempts }
}
