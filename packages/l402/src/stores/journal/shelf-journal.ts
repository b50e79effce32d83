/** A journal on any shelf. */

import { L402Error } from '../../core/errors.ts'
import type {
  AuditEntry,
  DeadLetter,
  HourOfSales,
  Journal,
  OpenSale,
  Page,
  Refund,
  Sale,
  SaleEvent,
  SalesQuery,
  SoldToken,
  Subscribers,
  TokensQuery,
} from '../journal.ts'
import { dropOpenSale, endingBefore, keepOpenSales, readOpenSale } from './open-sales.ts'
import {
  letterDelivered,
  letterFailed,
  nextDue,
  pruneLetters,
  redeliverLetter,
  takeLetters,
} from './outbox.ts'
import {
  digits,
  JOURNAL_VERSION,
  nextSeq,
  packRow,
  readCount,
  readRow,
  rowName,
  stateOf,
  unpackRow,
} from './records.ts'
import { applyRefund, recordRefund } from './refunds.ts'
import { emit, noteSale, putSale, salesOfToken } from './sales.ts'
import {
  type ScanRange,
  type Shelf,
  type ShelfChange,
  type ShelfEntry,
  type ShelfView,
  within,
} from './shelf.ts'

/** Most rows that one page looks through, so that a filter that fits nothing is answered too. */
const LOOK_MAX = 5_000
const PENDING_MAX = 100
const HOURS_MAX = 10_000
const PRUNE_MAX = 1_000
/** Payments of a token that a list of tokens shows; the token by itself shows all. */
const LISTED_SALES = 100
const CURSOR_MAX = 4_096

/**
 * Opens the journal on a shelf; an empty one is made ready. Throws `store_incompatible` for one of a newer version.
 */
export async function openJournal(shelf: Shelf, place: string): Promise<Journal> {
  try {
    await prepare(shelf, place)
  } catch (error) {
    await shelf.close()
    throw error
  }
  return new ShelfJournal(shelf)
}

async function prepare(shelf: Shelf, place: string): Promise<void> {
  const version = await shelf.read((view) => view.get(rowName.meta('version')))
  if (version === undefined) {
    await shelf.change(async (change) => {
      if ((await change.get(rowName.meta('version'))) !== undefined) return
      change.put(rowName.meta('version'), String(JOURNAL_VERSION))
    })
  } else if (!(Number(version) <= JOURNAL_VERSION))
    throw new L402Error(
      'store_incompatible',
      `the journal at ${place} has version ${version}, this program knows up to ${JOURNAL_VERSION}: use the newer program that wrote it`,
      { details: { version: Number(version), known: JOURNAL_VERSION } },
    )
}

class ShelfJournal implements Journal {
  readonly #shelf: Shelf
  /** Where the next pruning goes on: the last name that was looked at. */
  #prunedTo = ''

  constructor(shelf: Shelf) {
    this.#shelf = shelf
  }

  note(...[notes, subscribers]: Parameters<Journal['note']>): Promise<readonly SaleEvent[]> {
    return this.#shelf.change(async (change) => {
      const events: SaleEvent[] = []
      for (const note of notes) events.push(...(await noteSale(change, note, subscribers)))
      return events
    })
  }

  revoked(
    target: Parameters<Journal['revoked']>[0],
    { atMs, subscribers }: { readonly atMs: number; readonly subscribers: Subscribers },
  ): Promise<readonly SaleEvent[]> {
    return this.#shelf.change(async (change) => {
      const one =
        'paymentHash' in target ? await readRow<Sale>(change, rowName.sale(target.paymentHash)) : undefined
      const sales =
        'tokenId' in target ? await salesOfToken(change, target.tokenId) : one === undefined ? [] : [one]
      const events: SaleEvent[] = []
      for (const sale of sales) {
        if (sale.revokedAtMs !== null) continue
        const next = { ...sale, revokedAtMs: atMs }
        putSale(change, next)
        events.push(await emit({ change, atMs, subscribers }, 'revoked', next))
      }
      return events
    })
  }

  refund(...[refund, most]: Parameters<Journal['refund']>): ReturnType<Journal['refund']> {
    return this.#shelf.change((change) => recordRefund(change, refund, most))
  }

  refundApplied(
    key: string,
    { atMs, subscribers }: { readonly atMs: number; readonly subscribers: Subscribers },
  ): Promise<SaleEvent | undefined> {
    return this.#shelf.change((change) => applyRefund({ change, atMs, subscribers }, key))
  }

  pendingRefunds(): Promise<readonly Refund[]> {
    return this.#shelf.read((view) => refundsNamed(view, within('p/', PENDING_MAX)))
  }

  refundsOf(paymentHash: string): Promise<readonly Refund[]> {
    return this.#shelf.read((view) => refundsNamed(view, within(`x/${paymentHash}/`, PENDING_MAX)))
  }

  sale(paymentHash: string): Promise<Sale | undefined> {
    return this.#shelf.read((view) => readRow<Sale>(view, rowName.sale(paymentHash)))
  }

  sales({ limit, cursor, service, state, search }: SalesQuery): Promise<Page<Sale>> {
    const fits = (sale: Sale): boolean =>
      (service === undefined || sale.service === service) && (state === undefined || stateOf(sale) === state)
    return this.#shelf.read((view) => {
      const found =
        search === undefined ? { prefix: 'q/', reverse: true } : { prefix: `s/${search}`, reverse: false }
      return page(view, { ...found, limit, cursor }, async ([, value]) => {
        const sale =
          search === undefined ? await readRow<Sale>(view, rowName.sale(value)) : unpackRow<Sale>(value)
        return sale !== undefined && fits(sale) ? sale : undefined
      })
    })
  }

  token(tokenId: string): Promise<SoldToken | undefined> {
    return this.#shelf.read(async (view) => {
      const sales = await salesOfToken(view, tokenId)
      return sales.length === 0 ? undefined : { tokenId, sales }
    })
  }

  tokens({ limit, cursor, service, search }: TokensQuery): Promise<Page<SoldToken>> {
    return this.#shelf.read((view) => {
      const found =
        search === undefined ? { prefix: 'f/', reverse: true } : { prefix: `t/${search}`, reverse: false }
      let last = cursor?.split('/')[1]
      return page(view, { ...found, limit, cursor }, async ([name, value]) => {
        const tokenId = search === undefined ? value : (name.split('/')[1] ?? '')
        // By token there is a row for each payment.
        if (search !== undefined && tokenId === last) return undefined
        last = tokenId
        const sales = await salesOfToken(view, tokenId, LISTED_SALES)
        const fits = service === undefined || sales.some((sale) => sale.service === service)
        return fits && sales.length > 0 ? { tokenId, sales } : undefined
      })
    })
  }

  hours({
    fromMs,
    toMs,
  }: {
    readonly fromMs: number
    readonly toMs: number
  }): Promise<readonly HourOfSales[]> {
    return this.#shelf.read(async (view) => {
      const rows = await view.scan({ from: `h/${digits(fromMs)}`, to: `h/${digits(toMs)}`, limit: HOURS_MAX })
      return rows.map(([, text]) => unpackRow<HourOfSales>(text))
    })
  }

  audit(entry: AuditEntry): Promise<void> {
    return this.#shelf.change(async (change) => {
      change.put(rowName.audit(await nextSeq(change)), packRow(entry))
    })
  }

  audits({ limit, cursor }: { readonly limit: number; readonly cursor?: string }): Promise<Page<AuditEntry>> {
    return this.#shelf.read((view) =>
      page(view, { prefix: 'a/', reverse: true, limit, cursor }, async ([, text]) =>
        unpackRow<AuditEntry>(text),
      ),
    )
  }

  take(options: Parameters<Journal['take']>[0]): ReturnType<Journal['take']> {
    return this.#shelf.change((change) => takeLetters(change, options))
  }

  nextDueMs(receivers: readonly string[]): Promise<number | null> {
    return this.#shelf.read((view) => nextDue(view, receivers))
  }

  delivered(key: string, nowMs: number): Promise<void> {
    return this.#shelf.change((change) => letterDelivered(change, key, nowMs))
  }

  postpone(...[key, options]: Parameters<Journal['postpone']>): Promise<void> {
    return this.#shelf.change((change) => letterFailed(change, key, options))
  }

  deadLetters({
    limit,
    cursor,
  }: {
    readonly limit: number
    readonly cursor?: string
  }): Promise<Page<DeadLetter>> {
    return this.#shelf.read((view) =>
      page(view, { prefix: 'd/', reverse: true, limit, cursor }, async ([, text]) =>
        unpackRow<DeadLetter>(text),
      ),
    )
  }

  redeliver(...[eventId, options]: Parameters<Journal['redeliver']>): Promise<boolean> {
    return this.#shelf.change((change) => redeliverLetter(change, eventId, options))
  }

  outbox(): ReturnType<Journal['outbox']> {
    return this.#shelf.read(async (view) => ({
      waiting: await readCount(view, 'waiting'),
      dropped: await readCount(view, 'dropped'),
      dead: await readCount(view, 'dead'),
    }))
  }

  async keepOpen(open: readonly OpenSale[], { most }: { readonly most: number }): Promise<void> {
    if (open.length > 0) await this.#shelf.change((change) => keepOpenSales(change, open, most))
  }

  openSale(paymentHash: string): Promise<OpenSale | undefined> {
    return this.#shelf.read((view) => readOpenSale(view, paymentHash))
  }

  openSales({ limit, cursor, endBeforeMs }: Parameters<Journal['openSales']>[0]): Promise<Page<OpenSale>> {
    const found = { prefix: 'e/', reverse: false, limit, cursor, ...endingBefore(endBeforeMs) }
    return this.#shelf.read((view) => page(view, found, ([, hash]) => readOpenSale(view, hash)))
  }

  async forgetOpen(paymentHashes: readonly string[]): Promise<void> {
    if (paymentHashes.length === 0) return
    await this.#shelf.change(async (change) => {
      for (const hash of paymentHashes) await dropOpenSale(change, hash)
    })
  }

  async nodeCursor(node: string): Promise<string | undefined> {
    checkNode(node)
    return await this.#shelf.read((view) => view.get(rowName.nodeCursor(node)))
  }

  async keepNodeCursor(node: string, cursor: string): Promise<void> {
    checkNode(node)
    // It comes from a node: nothing it says may fill the store.
    if (cursor.length > CURSOR_MAX) throw new RangeError(`cursor: expected at most ${CURSOR_MAX} characters`)
    await this.#shelf.change(async (change) => change.put(rowName.nodeCursor(node), cursor))
  }

  async prune(beforeMs: number): Promise<number> {
    const pruned = await this.#shelf.change(async (change) => {
      const sales = await pruneSales(change, beforeMs, this.#prunedTo)
      let { removed } = sales
      for (const [name] of await change.scan({ from: 'h/', to: `h/${digits(beforeMs)}`, limit: PRUNE_MAX })) {
        change.remove(name)
        removed++
      }
      for (const [name, text] of await change.scan(within('a/', PRUNE_MAX))) {
        if (unpackRow<AuditEntry>(text).atMs >= beforeMs) break
        change.remove(name)
        removed++
      }
      return { ...sales, removed: removed + (await pruneLetters(change, beforeMs, PRUNE_MAX)) }
    })
    this.#prunedTo = pruned.at
    return pruned.removed
  }

  close(): Promise<void> {
    return this.#shelf.close()
  }
}

/** Forgets sales in the order they came, from behind `after` on; `at` is where to go on, empty for the beginning. */
async function pruneSales(
  change: ShelfChange,
  beforeMs: number,
  after: string,
): Promise<{ readonly removed: number; readonly at: string }> {
  let removed = 0
  const all = within('q/', PRUNE_MAX)
  const rows = await change.scan(after === '' ? all : { ...all, from: `${after} ` })
  for (const [name, hash] of rows) {
    const sale = await readRow<Sale>(change, rowName.sale(hash))
    if (sale !== undefined && sale.settledAtMs >= beforeMs) return { removed, at: '' }
    // What still opens something stays known, so that nothing of it happens twice.
    if (sale !== undefined && (await isKept(change, sale, beforeMs))) continue
    change.remove(name)
    if (sale === undefined) continue
    removed++
    await removeSale(change, sale)
  }
  return { removed, at: rows.length < PRUNE_MAX ? '' : (rows.at(-1)?.[0] ?? '') }
}

/** An account is its token's: what was given back of it is known as long as its youngest payment is. */
async function isKept(change: ShelfChange, sale: Sale, beforeMs: number): Promise<boolean> {
  if (sale.grants.creditMsat === null) return sale.endsAtMs !== null && sale.endsAtMs >= beforeMs
  const [[, hash] = []] = await change.scan(within(`t/${sale.tokenId}/`, 1, { reverse: true }))
  const youngest = hash === undefined ? undefined : await readRow<Sale>(change, rowName.sale(hash))
  const { settledAtMs, endsAtMs, grants } = youngest ?? sale
  if (settledAtMs >= beforeMs) return true
  return endsAtMs === null ? grants.validSeconds === null : endsAtMs >= beforeMs
}

async function removeSale(change: ShelfChange, { paymentHash: hash, tokenId, seq, endsAtMs }: Sale) {
  // One that never ends may be used again: nothing of it is told a second time, and nothing given back again.
  if (endsAtMs === null) change.put(rowName.forgotten(hash), '')
  for (const gone of [
    rowName.sale(hash),
    rowName.ofToken(tokenId, seq),
    rowName.firstOfToken(seq),
    rowName.usedUp(tokenId, hash),
  ])
    change.remove(gone)
  const [next] = await change.scan(within(`t/${tokenId}/`, 1))
  if (next !== undefined) change.put(rowName.firstOfToken(Number(next[0].split('/')[2])), tokenId)
  for (const [of, key] of await change.scan(within(`x/${hash}/`, PENDING_MAX))) {
    for (const gone of [of, rowName.refund(key), rowName.pending(key)]) change.remove(gone)
  }
}

async function refundsNamed(view: ShelfView, range: ScanRange): Promise<readonly Refund[]> {
  const refunds: Refund[] = []
  for (const [, key] of await view.scan(range)) {
    const refund = await readRow<Refund>(view, rowName.refund(key))
    if (refund !== undefined) refunds.push(refund)
  }
  return refunds
}

function checkNode(node: string): void {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(node)) throw new RangeError('node: expected 1 to 64 plain characters')
}

interface PageOptions {
  readonly prefix: string
  /** The first name that does not count; left out: all of the prefix. */
  readonly to?: string
  readonly reverse: boolean
  readonly limit: number
  readonly cursor: string | undefined
}

/** Reads on behind the cursor, which is the name of the last row that was looked at. */
async function page<T>(
  view: ShelfView,
  { prefix, reverse, limit, cursor, to }: PageOptions,
  read: (entry: ShelfEntry) => Promise<T | undefined>,
): Promise<Page<T>> {
  const items: T[] = []
  let at = cursor?.startsWith(prefix) === true ? cursor : undefined
  let looked = 0
  for (;;) {
    const all = within(prefix, Math.min(limit + 1, 200), to === undefined ? {} : { to })
    // A space comes before all that stands in names.
    const range = reverse
      ? { ...all, reverse, to: at ?? all.to }
      : { ...all, from: at === undefined ? all.from : `${at} ` }
    const rows = await view.scan(range)
    for (const [index, row] of rows.entries()) {
      const item = await read(row)
      at = row[0]
      looked++
      if (item !== undefined) items.push(item)
      if (items.length < limit && looked < LOOK_MAX) continue
      const more = index + 1 < rows.length || rows.length === range.limit
      return { items, next: more ? at : null }
    }
    if (rows.length < range.limit) return { items, next: null }
  }
}
