import { lapsed } from '../lib/checks.ts'
import { type Batch, type BatchAnswer, type BatchContext, buildBatch } from './batch.ts'
import type { BatchCall, EndCall, Use } from './operations.ts'

/** Payment hashes known to be recorded, so that they are not sent again; about 4 MiB when full. */
const RECORDED_MAX = 32_768
/** Reservations of an owner are numbered from owner × 2^32. */
const OWNER_SHIFT = 32n

/** What this ledger knows of its own reservations. The database decides; this is what is asked of it and why. */
export class OpenBooks {
  readonly #now: () => number
  readonly #recorded = new Set<string>()
  /** Reservations made here whose end is not written yet. */
  readonly #open = new Map<bigint, readonly Use[]>()
  /** Ends that were asked for and could not be written. */
  readonly #owed = new Map<bigint, 'commit' | 'release'>()
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

  /** An end that could not be written, to be written with a later batch. */
  owe({ id, do: end }: EndCall): void {
    if (end !== 'serve' && this.#open.has(id) && !this.#owed.has(id)) this.#owed.set(id, end)
  }

  /**
   * Whether the batch was written will never be known, and nobody was told of the reservations it may have made: they
   * are given back. Its session has ended by then, so it cannot come after that.
   */
  doubt({ places }: Batch): void {
    for (const { id, uses, call } of places) {
      if (call === undefined) continue
      this.#open.set(id, uses)
      this.#owed.set(id, 'release')
    }
  }

  /** Releases whose uses must be looked up: of reservations not made here. */
  foreignReleases(calls: readonly BatchCall[]): readonly bigint[] {
    return calls.flatMap((call) => (call.do === 'release' && !this.#open.has(call.id) ? [call.id] : []))
  }

  /** The statement for these calls, and for what is owed. */
  build(calls: readonly BatchCall[], owner: bigint, foreign: ReadonlyMap<bigint, readonly Use[]>): Batch {
    const owed = [...this.#owed].map(([id, end]): EndCall => ({ do: end, id, resolve() {}, reject() {} }))
    const context: BatchContext = {
      owner,
      nowMs: this.#now(),
      takeId: () => this.#takeId(owner),
      usesOf: (id) => this.#open.get(id) ?? foreign.get(id),
      isRecorded: (hash) => this.#recorded.has(hash),
    }
    // What was asked first decides.
    return buildBatch([...owed, ...calls], context)
  }

  /** The batch is written: takes note of it and answers the calls. */
  settle(calls: readonly BatchCall[], batch: Batch, answer: BatchAnswer): void {
    for (const id of batch.ended) {
      this.#open.delete(id)
      this.#owed.delete(id)
    }
    for (const call of calls) {
      if (call.do === 'reserve') {
        const place = answer.outcomes.get(call)
        if (place === undefined) throw new TypeError('a reservation without an outcome')
        if (place.ok) {
          this.#open.set(place.id, call.uses)
          this.#record(place.hash)
        }
        call.resolve(place.ok ? { ok: true, id: place.id, states: place.states } : place)
      } else if (call.do === 'serve' && (batch.late.has(call) || answer.missing.has(call.id))) {
        // It has ended, perhaps because others took this process for dead and gave the use back.
        call.reject(lapsed())
      } else call.resolve(undefined)
    }
  }

  #record(hash: string): void {
    if (this.#recorded.size >= RECORDED_MAX) this.#recorded.clear()
    this.#recorded.add(hash)
  }

  #takeId(owner: bigint): bigint {
    if (owner !== this.#owner) {
      this.#owner = owner
      this.#serial = 0n
    }
    return (owner << OWNER_SHIFT) + this.#serial++
  }
}
