import { encodeHex } from '../../core/bytes.ts'
import type { NotReserved, Reservation } from '../ledger.ts'
import type { Row } from './connection.ts'
import { type BatchCall, type EndCall, type ReserveCall, type Use, usesToHex } from './operations.ts'

/** What the arguments of a batch depend on besides its calls. */
export interface BatchContext {
  readonly owner: bigint
  readonly nowMs: number
  /** Numbers a new reservation. */
  takeId(): bigint
  /** The uses of a reservation, where they are known. Without them its release does nothing. */
  usesOf(id: bigint): readonly Use[] | undefined
  /** Whether a payment hash (hex) is on the books already. */
  isRecorded(hash: string): boolean
}

/** A reservation to be made, or given back. */
interface Place {
  readonly id: bigint
  /** Hex of the payment hash. */
  readonly hash: string
  readonly uses: readonly Use[]
  /** What stands in the columns for the reservation's row: uses, payment hash, token id, service. Null: given back. */
  readonly columns: readonly string[]
  readonly call: ReserveCall | undefined
}

/** A batch as the arguments of its statement, and what is needed to read the answer. */
export interface Batch {
  readonly values: readonly unknown[]
  readonly places: readonly Place[]
  /** The reservations it ends. */
  readonly ended: readonly bigint[]
  /** Calls of `serve` that came after the end of their reservation. */
  readonly late: ReadonlySet<BatchCall>
}

/** The statement, for a batch. */
export const BATCH = {
  name: 'turnpike_batch_1',
  text: `SELECT outcomes, states, missing, latest
         FROM batch_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
} as const

const GIVEN_BACK: readonly string[] = ['NULL', 'NULL', 'NULL', 'NULL']

const bytea = (hex: string): string => `"\\\\x${hex}"`
const array = (items: readonly unknown[]): string => `{${items.join(',')}}`
/** A text in an array. The server has no U+0000. */
const quoted = (text: string): string =>
  `"${text.replaceAll('\0', '\ufffd').replaceAll(/["\\]/g, (character) => `\\${character}`)}"`

/** Puts calls together. Their order matters only where counters are taken and given back: that order is kept. */
export function buildBatch(calls: readonly BatchCall[], context: BatchContext): Batch {
  const serves = new Set<bigint>()
  const ends = new Map<bigint, 'commit' | 'release'>()
  const late = new Set<BatchCall>()
  const places: Place[] = []
  for (const call of calls) {
    if (call.do === 'reserve') {
      const { paymentHash, tokenId, service } = call.request.redemption
      const hash = encodeHex(paymentHash)
      const name = context.isRecorded(hash) ? 'NULL' : quoted(service)
      const columns = [bytea(usesToHex(call.uses)), bytea(hash), bytea(encodeHex(tokenId)), name]
      places.push({ id: context.takeId(), hash, uses: call.uses, columns, call })
      continue
    }
    if (!isEnd(call)) continue
    // The first end of a reservation is its end; nothing is served after it.
    if (ends.has(call.id)) {
      if (call.do === 'serve') late.add(call)
      continue
    }
    if (call.do === 'serve') {
      serves.add(call.id)
      continue
    }
    ends.set(call.id, call.do)
    if (call.do !== 'release') continue
    const uses = context.usesOf(call.id) ?? []
    places.push({ id: call.id, hash: '', uses, columns: GIVEN_BACK, call: undefined })
  }

  const keys = [...new Set(places.flatMap(({ uses }) => uses.map(({ key }) => key)))].sort()
  const slots = new Map(keys.map((key, index) => [key, index + 1]))
  const uses = places.flatMap((place) => place.uses)
  const ending = (how: string): bigint[] => [...ends].flatMap(([id, end]) => (end === how ? [id] : []))
  const values = [
    context.owner,
    context.nowMs,
    calls.some((call) => call.do === 'ping'),
    array(ending('commit')),
    array([...serves]),
    array(ending('release')),
    array(keys.map(bytea)),
    array(places.map(({ id }) => id)),
    array(places.map((place) => place.uses.length)),
    ...GIVEN_BACK.map((_, column) => array(places.map(({ columns }) => columns[column]))),
    array(uses.map(({ key }) => slots.get(key))),
    array(uses.map(({ amount }) => amount)),
    array(uses.map(({ room }) => room)),
  ]
  return { values, places, ended: [...ends.keys()], late }
}

/** What came of a reservation. */
type Outcome = (Reservation & { readonly hash: string }) | NotReserved

/** What came of a batch. */
export interface BatchAnswer {
  readonly outcomes: ReadonlyMap<ReserveCall, Outcome>
  /** What was to be served and is not held any more. */
  readonly missing: ReadonlySet<bigint>
  /** The last revocation there is; 0 without any. */
  readonly latest: bigint
}

const items = (text: string | null | undefined): readonly string[] =>
  text === null || text === undefined || text === '{}' ? [] : text.slice(1, -1).split(',')

/** Reads the row that a batch's statement answers. */
export function readBatch({ places }: Batch, row: Row | undefined): BatchAnswer {
  const results = items(row?.[0])
  const states = items(row?.[1])
  const outcomes = new Map<ReserveCall, Outcome>()
  let at = 0
  for (const [index, { id, hash, uses, call }] of places.entries()) {
    const result = Number(results[index])
    const held = states.slice(at, at + uses.length).map((used) => ({ used: BigInt(used) }))
    at += uses.length
    if (call === undefined) continue
    if (result === 0) outcomes.set(call, { ok: true, id, hash, states: held })
    else outcomes.set(call, { ok: false, failed: result < 0 ? 'revoked' : result - 1 })
  }
  return { outcomes, missing: new Set(items(row?.[2]).map(BigInt)), latest: BigInt(row?.[3] ?? 0) }
}

function isEnd(call: BatchCall): call is EndCall {
  return call.do === 'serve' || call.do === 'commit' || call.do === 'release'
}
