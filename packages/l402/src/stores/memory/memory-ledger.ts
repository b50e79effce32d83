import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { CounterState, Ledger, NotReserved, Redemption, Reservation, ReserveRequest } from '../ledger.ts'
import {
  COUNTER_MAX,
  checkClaim,
  checkCredit,
  checkedActual,
  checkKey,
  checkRates,
  checkReserve,
  checkTime,
  lapsed,
  roomBefore,
} from '../lib/checks.ts'
import { END_GRACE_MS, laterEnd } from '../lib/ends.ts'
import { RevocationSet, revocationOf } from '../lib/revocations.ts'
import { settlement } from '../lib/settlement.ts'
import { memoryMarks } from './memory-marks.ts'

interface Counter {
  used: bigint
  /** Of an account. */
  credited: bigint | undefined
  lost: bigint
  /** Reservations that hold a part of it; it is not removed meanwhile. */
  holds: number
  endsAtMs: number | null
}

interface Held {
  /** Hex of the counter's key. */
  readonly key: string
  readonly limit: bigint | 'credited'
  readonly metered: boolean
  amount: bigint
}

/** What books in memory may be made with. */
export interface MemoryStoreOptions {
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number
}

const PRUNE_MS = 60_000

/**
 * Books that end with the process: for tests and `store: memory`. What was sold is forgotten, so a restart gives every
 * credential its uses back.
 */
export function memoryStore({ now = Date.now }: MemoryStoreOptions = {}): Ledger {
  const counters = new Map<string, Counter>()
  const reservations = new Map<bigint, readonly Held[]>()
  const redemptions = new Map<string, number | null>()
  const revocations = new RevocationSet()
  const marks = memoryMarks(now)
  let nextId = 1n
  let closed = false
  const timer = setInterval(prune, PRUNE_MS)
  // Not of Node alone: a runtime whose timers are numbers has nothing to let go of.
  if (typeof timer === 'object') timer.unref()

  function touch(key: string, endsAtMs: number | null): Counter {
    let counter = counters.get(key)
    if (counter === undefined) {
      counter = { used: 0n, credited: undefined, lost: 0n, holds: 0, endsAtMs }
      counters.set(key, counter)
    }
    return counter
  }

  function giveBack(held: readonly Held[]): void {
    for (const { key, amount } of held) {
      const counter = counters.get(key)
      if (counter === undefined) continue
      counter.used -= amount
      counter.holds--
      // Nothing stays of a counter that was never used: a holder can name new ones without end.
      if (counter.used === 0n && counter.credited === undefined) counters.delete(key)
    }
  }

  const checkOpen = (): void => {
    if (closed) throw new L402Error('store_unavailable', 'the ledger is closed')
  }

  function record({ paymentHash, endsAtMs = null }: Redemption): boolean {
    const hash = encodeHex(paymentHash)
    if (redemptions.has(hash)) return false
    redemptions.set(hash, endsAtMs)
    return true
  }

  function reserve({ redemption, uses }: ReserveRequest): Reservation | NotReserved {
    if (revocations.has(redemption)) return { ok: false, failed: 'revoked' }
    const states: CounterState[] = []
    const held: Held[] = []
    for (const [index, use] of uses.entries()) {
      const key = encodeHex(use.key)
      const { limit, amount, metered = false, endsAtMs = null } = use
      const before = counters.get(key)
      if ((before?.used ?? 0n) > roomBefore(use, before?.credited)) {
        giveBack(held)
        return { ok: false, failed: index }
      }
      const counter = touch(key, endsAtMs)
      counter.used += amount
      counter.holds++
      held.push({ key, limit, metered, amount })
      states.push(stateOf(counter))
    }
    record(redemption)
    const id = nextId++
    reservations.set(id, held)
    return { ok: true, id, states }
  }

  /** Sets the metered uses to what was measured; answers what did not fit. */
  function measure(held: readonly Held[], actualMsat: bigint): bigint {
    const metered = held.filter((use) => use.metered)
    const [first] = metered
    if (first === undefined) return 0n
    const rooms = metered.map(({ key, limit }) => {
      const { used = 0n, credited = 0n } = counters.get(key) ?? {}
      return { used, limit: limit === 'credited' ? credited : limit < COUNTER_MAX ? limit : COUNTER_MAX }
    })
    const { change, lost } = settlement(first.amount, checkedActual(actualMsat), rooms)
    for (const use of metered) {
      use.amount += change
      const counter = counters.get(use.key)
      if (counter !== undefined) counter.used += change
    }
    return lost
  }

  function prune(): number {
    const before = now() - END_GRACE_MS
    let removed = marks.prune()
    for (const [key, { endsAtMs, holds }] of counters) {
      if (holds === 0 && endsAtMs !== null && endsAtMs <= before) removed += Number(counters.delete(key))
    }
    for (const [hash, endsAtMs] of redemptions) {
      if (endsAtMs !== null && endsAtMs <= before) removed += Number(redemptions.delete(hash))
    }
    return removed
  }

  return {
    async credit(redemption, amountMsat): Promise<boolean> {
      checkCredit(redemption, amountMsat)
      checkOpen()
      if (!record(redemption)) return false
      const { tokenId, endsAtMs = null } = redemption
      const account = touch(encodeHex(tokenId), endsAtMs)
      const sum = (account.credited ?? 0n) + amountMsat
      account.credited = sum < COUNTER_MAX ? sum : COUNTER_MAX
      account.endsAtMs = laterEnd(account.endsAtMs, endsAtMs)
      return true
    },
    async reserve(request): Promise<Reservation | NotReserved> {
      checkReserve(request)
      checkOpen()
      return reserve(request)
    },
    async serve(id): Promise<void> {
      checkOpen()
      if (!reservations.has(id)) throw lapsed()
    },
    async draw(id, actualMsat): Promise<boolean> {
      checkOpen()
      const held = reservations.get(id)
      if (held === undefined) throw lapsed()
      const largest = held.reduce((most, use) => (use.metered && use.amount > most ? use.amount : most), 0n)
      return checkedActual(actualMsat) <= largest || measure(held, actualMsat) === 0n
    },
    async commit(id, actualMsat): Promise<void> {
      const actual = actualMsat === undefined ? undefined : checkedActual(actualMsat)
      checkOpen()
      const held = reservations.get(id)
      if (held === undefined) return
      reservations.delete(id)
      const lost = actual === undefined ? 0n : measure(held, actual)
      for (const { key, limit } of held) {
        const counter = counters.get(key)
        if (counter === undefined) continue
        counter.holds--
        if (limit === 'credited') counter.lost += lost
        else if (counter.used === 0n) counters.delete(key)
      }
    },
    async release(id): Promise<void> {
      checkOpen()
      giveBack(reservations.get(id) ?? [])
      reservations.delete(id)
    },
    async read(keys): Promise<readonly CounterState[]> {
      for (const key of keys) checkKey(key, 'counter key')
      checkOpen()
      return keys.map((key) => {
        const counter = counters.get(encodeHex(key))
        if (counter === undefined) return { used: 0n }
        return counter.credited === undefined ? stateOf(counter) : { ...stateOf(counter), lost: counter.lost }
      })
    },
    async pace(rates) {
      checkRates(rates)
      checkOpen()
      return marks.pace(rates)
    },
    async unpace(rates): Promise<void> {
      checkRates(rates)
      checkOpen()
      marks.unpace(rates)
    },
    async once(mark, untilMs): Promise<boolean> {
      checkKey(mark, 'mark')
      checkTime(untilMs, 'untilMs')
      checkOpen()
      return marks.once(mark, untilMs)
    },
    async claim(claim) {
      checkClaim(claim)
      checkOpen()
      return marks.claim(claim)
    },
    async serveClaim(key): Promise<void> {
      checkKey(key, 'claim key')
      checkOpen()
      // Nothing outlives this process.
      if (!marks.runs(key)) throw lapsed()
    },
    async answer(key, answer): Promise<void> {
      checkKey(key, 'claim key')
      checkOpen()
      marks.answer(key, answer)
    },
    async unclaim(key): Promise<void> {
      checkKey(key, 'claim key')
      checkOpen()
      marks.unclaim(key)
    },
    async prune(): Promise<number> {
      checkOpen()
      return prune()
    },
    async revoke(target): Promise<void> {
      const { kind, key } = revocationOf(target)
      checkOpen()
      revocations.add(kind, key)
    },
    isRevoked: (redemption) => revocations.has(redemption),
    get revocationEpoch(): number {
      return revocations.epoch
    },
    async ping(): Promise<void> {
      checkOpen()
    },
    async close(): Promise<void> {
      closed = true
      clearInterval(timer)
    },
  }
}

function stateOf({ used, credited }: Counter): CounterState {
  return credited === undefined ? { used } : { used, credited }
}
