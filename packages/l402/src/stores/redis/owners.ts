/** The number of an owner whose reservations are being ended. */
const BURYING = '-'

/**
 * Who holds which reservation. Every open ledger is an owner under a name of its own; each of its calls, and one every
 * little while when it has nothing to ask, leaves a greater number under that name. Every ledger watches those of the
 * others. An owner whose number has stood still for the whole lease is dead (rule 3): what it served counts, the rest
 * is given back, and should it have been asleep only, its next call is refused.
 *
 * The lease is measured with the watcher's own steady clock, and only while the watcher and the server are well: no
 * clock that jumps and no time that the server was away ends anybody's lease.
 */
export class OwnerWatch {
  readonly #leaseMs: number
  readonly #seen = new Map<string, { seq: string; since: number }>()
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs
  }

  /** Takes what the server says of all owners (name, number, …); answers those that are dead, with their numbers. */
  look(
    listed: readonly string[],
    self: string,
    now: number,
  ): readonly (readonly [owner: string, seq: string])[] {
    // A watcher that was asleep, or cut off, knows nothing of the time between.
    if (now - this.#lookedAt > this.#leaseMs / 2) this.forget()
    this.#lookedAt = now
    const dead: [string, string][] = []
    const names = new Set<string>()
    for (let i = 0; i + 1 < listed.length; i += 2) {
      const [owner = '', seq = ''] = listed.slice(i, i + 2)
      if (owner === self) continue
      names.add(owner)
      // Taken for dead by somebody already, who may be dead as well.
      if (seq === BURYING) {
        dead.push([owner, seq])
        continue
      }
      const before = this.#seen.get(owner)
      if (before === undefined || before.seq !== seq) this.#seen.set(owner, { seq, since: now })
      else if (now - before.since >= this.#leaseMs) dead.push([owner, seq])
    }
    for (const owner of this.#seen.keys()) if (!names.has(owner)) this.#seen.delete(owner)
    return dead
  }

  /** Starts anew. */
  forget(): void {
    this.#seen.clear()
  }
}
