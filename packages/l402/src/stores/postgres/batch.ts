import { encodeHex } from '../../core/bytes.ts'
import type { CounterState, Redemption } from '../ledger.ts'
import { laterEnd } from '../lib/ends.ts'
import { array, arrayOrNull, bytea, items, NULL, quoted } from './arrays.ts'
import type { Row } from './connection.ts'
import type { BatchCall, CreditCall, DrawCall, EndCall, ReserveCall } from './operations.ts'
import { areMeasured, metersToHex, type Use, usesToHex } from './uses.ts'

/** What the arguments of a batch depend on besides its calls. */
export interface BatchContext {
  readonly owner: bigint
  readonly nowMs: number
  /** Numbers a new reservation. */
  takeId(): bigint
  /** The uses of a reservation, where they are known. Without them its release or measured end does nothing. */
  usesOf(id: bigint): readonly Use[] | undefined
  /** Whether a payment hash (hex) is on the books already. */
  isRecorded(hash: string): boolean
}

/** A call that is answered with what became of its place. */
type PlaceCall = ReserveCall | CreditCall | DrawCall

const OPS = { reserve: 0, release: 1, credit: 2, draw: 3, commit: 4 } as const

/** What changes counters: a reservation, a credit, a measured cost, or what is given back. */
interface Place {
  readonly op: (typeof OPS)[keyof typeof OPS]
  /** Of the reservation; 0 of a credit. */
  readonly id: bigint
  readonly uses: readonly Use[]
  /** Of a credit or a measured cost. */
  readonly costMsat: bigint | undefined
  /** Its reservation has measured uses. */
  readonly measured: boolean
  /** Of a reservation or credit. */
  readonly redemption: Redemption | undefined
  /** Hex of the payment hash. */
  readonly hash: string
  readonly call: PlaceCall | undefined
}

/** A batch as the arguments of its statement, and what is needed to read the answer. */
export interface Batch {
  readonly values: readonly unknown[]
  readonly places: readonly Place[]
  /** The reservations it ends. */
  readonly ended: readonly bigint[]
  /** Calls of `serve` that came after the end of their reservation. A `draw` that did so has no place. */
  readonly late: ReadonlySet<BatchCall>
}

/** The statement, for a batch. */
export const BATCH = {
  name: 'turnpike_batch_2',
  text: `SELECT outcomes, states, credits, missing, latest FROM batch_2(
           $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
} as const

/** The use of an account that a credit is put on. */
const accountOf = ({ tokenId }: Redemption): Use => ({
  key: encodeHex(tokenId),
  amount: 0n,
  room: undefined,
  limit: undefined,
  endsAtMs: null,
})

/** Puts calls together. Their order matters only where counters are changed: that order is kept. */
export function buildBatch(calls: readonly BatchCall[], context: BatchContext): Batch {
  const serves = new Set<bigint>()
  const ends = new Map<bigint, 'commit' | 'release'>()
  const late = new Set<BatchCall>()
  const places: Place[] = []

  function place(op: Place['op'], rest: Partial<Omit<Place, 'op'>>): void {
    const { redemption } = rest
    const hash = redemption === undefined ? '' : encodeHex(redemption.paymentHash)
    const none = { id: 0n, uses: [], costMsat: undefined, measured: false, redemption, call: undefined }
    places.push({ ...none, ...rest, op, hash })
  }
  function end(call: EndCall): void {
    // The first end of a reservation is its end; nothing is served after it.
    if (ends.has(call.id)) {
      if (call.do === 'serve') late.add(call)
      return
    }
    if (call.do === 'serve') {
      serves.add(call.id)
      return
    }
    ends.set(call.id, call.do)
    if (call.do === 'commit' && call.actualMsat === undefined) return
    const uses = context.usesOf(call.id) ?? []
    const measured = areMeasured(uses)
    if (call.do === 'release') place(OPS.release, { id: call.id, uses, measured })
    else if (measured) place(OPS.commit, { id: call.id, uses, measured, costMsat: call.actualMsat })
  }

  for (const call of calls) {
    if (call.do === 'reserve') {
      const { redemption } = call.request
      place(OPS.reserve, { id: context.takeId(), uses: call.uses, redemption, call })
    } else if (call.do === 'credit') {
      const { redemption, amountMsat } = call
      place(OPS.credit, { uses: [accountOf(redemption)], costMsat: amountMsat, redemption, call })
    } else if (call.do === 'draw') {
      if (ends.has(call.id)) continue
      const uses = context.usesOf(call.id) ?? []
      place(OPS.draw, { id: call.id, uses, measured: true, costMsat: call.actualMsat, call })
    } else if (call.do === 'serve' || call.do === 'commit' || call.do === 'release') end(call)
  }

  const ending = (how: string): bigint[] => [...ends].flatMap(([id, by]) => (by === how ? [id] : []))
  const values = [
    context.owner,
    context.nowMs,
    calls.some((call) => call.do === 'ping'),
    array(ending('commit')),
    array([...serves]),
    array(ending('release')),
    ...placeArguments(places, context),
  ]
  return { values, places, ended: [...ends.keys()], late }
}

/** The arguments that are about places. */
function placeArguments(places: readonly Place[], context: BatchContext): (string | null)[] {
  const uses = places.flatMap((place) => place.uses)
  const ends = new Map<string, number | null>()
  for (const { key, endsAtMs } of uses) {
    const before = ends.get(key)
    ends.set(key, before === undefined ? endsAtMs : laterEnd(before, endsAtMs))
  }
  const keys = [...ends.keys()].sort()
  const slots = new Map(keys.map((key, index) => [key, index + 1]))
  const measured = [...new Set(places.flatMap(({ id, measured }) => (measured ? [id] : [])))]
  const refs = new Map(measured.map((id, index) => [id, index + 1]))

  const each = (column: (place: Place) => unknown): unknown[] => places.map((place) => column(place) ?? NULL)
  const made = ({ op, uses }: Place): readonly Use[] | undefined => (op === OPS.reserve ? uses : undefined)
  const bytes = (hex: string | undefined): string => (hex === undefined ? NULL : bytea(hex))
  const service = ({ op, redemption, hash }: Place): string | undefined =>
    redemption === undefined || (op === OPS.reserve && context.isRecorded(hash))
      ? undefined
      : quoted(redemption.service)
  return [
    measured.length === 0 ? null : array(measured),
    array(keys.map(bytea)),
    arrayOrNull(keys.map((key) => ends.get(key) ?? NULL)),
    array(each(({ op }) => op)),
    array(each(({ id }) => id)),
    array(each((place) => place.uses.length)),
    arrayOrNull(each(({ costMsat }) => costMsat)),
    arrayOrNull(each(({ id, measured }) => (measured ? refs.get(id) : NULL))),
    arrayOrNull(each((place) => bytes(made(place) && usesToHex(place.uses)))),
    arrayOrNull(each((place) => bytes(made(place) && metersToHex(place.uses)))),
    arrayOrNull(each(({ hash }) => (hash === '' ? NULL : bytea(hash)))),
    arrayOrNull(each(({ redemption }) => redemption && bytea(encodeHex(redemption.tokenId)))),
    arrayOrNull(each(service)),
    arrayOrNull(each(({ redemption }) => redemption?.endsAtMs)),
    array(uses.map(({ key }) => slots.get(key))),
    array(uses.map(({ amount }) => amount)),
    arrayOrNull(uses.map(({ room }) => room ?? NULL)),
    arrayOrNull(uses.map(({ limit }) => limit ?? NULL)),
  ]
}

/** What became of a place. */
export interface Placed {
  readonly id: bigint
  readonly hash: string
  /** See `batch_2`. */
  readonly outcome: number
  /** The counters of its uses. */
  readonly states: readonly CounterState[]
}

/** What came of a batch. */
export interface BatchAnswer {
  readonly placed: ReadonlyMap<BatchCall, Placed>
  /** What was to be served and is not held any more. */
  readonly missing: ReadonlySet<bigint>
  /** The last revocation there is; 0 without any. */
  readonly latest: bigint
}

/** Reads the row that a batch's statement answers. */
export function readBatch({ places }: Batch, row: Row | undefined): BatchAnswer {
  const [outcomes, used, credits] = [items(row?.[0]), items(row?.[1]), items(row?.[2])]
  const placed = new Map<BatchCall, Placed>()
  let at = 0
  for (const [index, { id, hash, uses, call }] of places.entries()) {
    const states = uses.map((_, n): CounterState => {
      const state = { used: BigInt(used[at + n] ?? 0) }
      const credited = credits[at + n] ?? NULL
      return credited === NULL ? state : { ...state, credited: BigInt(credited) }
    })
    at += uses.length
    if (call !== undefined) placed.set(call, { id, hash, outcome: Number(outcomes[index]), states })
  }
  return { placed, missing: new Set(items(row?.[3]).map(BigInt)), latest: BigInt(row?.[4] ?? 0) }
}
