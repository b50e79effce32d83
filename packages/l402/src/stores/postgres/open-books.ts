import type { Redemption } from '../ledger.ts'
import { lapsed } from '../lib/checks.ts'
import { type Batch, type BatchAnswer, type BatchContext, buildBatch, type Placed } from './batch.ts'
import type { BatchCall, EndCall, ReserveCall } from './operations.ts'
import type { Use } from './uses.ts'

/** Payment hashes known to be recorded, so that they are not sent again; about 4 MiB when full. */
const RECORDED_MAX = 32_768
/** Reservations of an owner are numbered from owner × 2^32. */
const OWNER_SHIFT = 32n

/** The end of a reservation: how, and what was measured. */
type End = Pick<EndCall, 'id' | 'actualMsat'> & { readonly do: 'commit' | 'release' }

/** What this ledger knows of its own reservations. The database decides; this is what is asked of it and why. */
export class OpenBooks {
  readonly #now: () => number
  /** With the time when the record of the payment ends. */
  readonly #recorded = new Map<string, number | null>()
  /** Reservations made here whose end is not written yet. */
  readonly #open = new Map<bigint, readonly Use[]>()
  /** Ends that were asked for and could not be written. */
  readonly #owed = new Map<bigint, End>()
  #owner = 0n
  #serial = 0n

  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether an end is still to be written. */
  get owes(): boolean {
    return this.#owed.size > 0
  }

  /** The server is another one, or may be. */
  forgetRecorded(): void {
    this.#recorded.clear()
  }

  /**
   * An end that could not be written, to be written with a later batch, with what was measured. If it was written after
   * all, the reservation is gone and nothing is applied twice.
   */
  owe({ id, do: how, actualMsat }: EndCall): void {
    if (how !== 'serve' && this.#open.has(id) && !this.#owed.has(id))
      this.#owed.set(id, { id, do: how, actualMsat })
  }

  /**
   * Whether the batch was written will never be known, and nobody was told of the reservations it may have made: they
   * are given back. Its session has ended by then, so it cannot come after that.
   */
  doubt({ places }: Batch): void {
    for (const { id, uses, call } of places) {
      if (call?.do !== 'reserve') continue
      this.#open.set(id, uses)
      this.#owed.set(id, { id, do: 'release' })
    }
  }

  /** Reservations not made here whose uses must be looked up: to be given back or measured. */
  foreign(calls: readonly BatchCall[]): readonly bigint[] {
    return calls.flatMap((call) => {
      const asks =
        call.do === 'release' || call.do === 'draw' || (call.do === 'commit' && call.actualMsat !== undefined)
      return asks && !this.#open.has(call.id) ? [call.id] : []
    })
  }

  /** The statement for these calls, and for what is owed. */
  build(calls: readonly BatchCall[], owner: bigint, foreign: ReadonlyMap<bigint, readonly Use[]>): Batch {
    const owed = [...this.#owed.values()].map((end): EndCall => ({ ...end, resolve() {}, reject() {} }))
    const nowMs = this.#now()
    const context: BatchContext = {
      owner,
      nowMs,
      takeId: () => this.#takeId(owner),
      usesOf: (id) => this.#open.get(id) ?? foreign.get(id),
      isRecorded: (hash) => {
        const endsAtMs = this.#recorded.get(hash)
        // After its end the record may be removed.
        return endsAtMs !== undefined && (endsAtMs === null || nowMs < endsAtMs)
      },
    }
    // What was asked first decides.
    return buildBatch([...owed, ...calls], context)
  }

  /** The batch is written: takes note of it and answers the calls. */
  settle(calls: readonly BatchCall[], batch: Batch, { placed, missing }: BatchAnswer): void {
    for (const id of batch.ended) {
      this.#open.delete(id)
      this.#owed.delete(id)
    }
    for (const call of calls) {
      const place = placed.get(call)
      switch (call.do) {
        case 'reserve':
          this.#settleReserve(call, place)
          break
        case 'credit':
          this.#record(call.redemption, place)
          call.resolve(place?.outcome === 1)
          break
        case 'draw':
          // It has ended, perhaps because others took this process for dead and gave the use back.
          if (place === undefined || place.outcome < 0) call.reject(lapsed())
          else call.resolve(place.outcome === 0)
          break
        case 'serve':
          if (batch.late.has(call) || missing.has(call.id)) call.reject(lapsed())
          else call.resolve(undefined)
          break
        default:
          call.resolve(undefined)
      }
    }
  }

  #settleReserve(call: ReserveCall, place: Placed | undefined): void {
    if (place === undefined) throw new TypeError('a reservation without an outcome')
    const { id, outcome, states } = place
    if (outcome === 0) {
      this.#open.set(id, call.uses)
      this.#record(call.request.redemption, place)
      call.resolve({ ok: true, id, states })
    } else call.resolve({ ok: false, failed: outcome < 0 ? 'revoked' : outcome - 1 })
  }

  #record({ endsAtMs = null }: Redemption, place: Placed | undefined): void {
    if (place === undefined) return
    if (this.#recorded.size >= RECORDED_MAX) this.#recorded.clear()
    this.#recorded.set(place.hash, endsAtMs)
  }

  #takeId(owner: bigint): bigint {
    if (owner !== this.#owner) {
      this.#owner = owner
      this.#serial = 0n
    }
    return (owner << OWNER_SHIFT) + this.#serial++
  }
}
