import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { Ledger, NotReserved, Reservation, ReserveRequest } from '../ledger.ts'
import { checkKey, checkReserve, lapsed, roomBefore } from '../lib/checks.ts'
import { RevocationSet, revocationOf } from '../lib/revocations.ts'

interface Held {
  /** Hex of the counter's key. */
  readonly key: string
  readonly amount: bigint
}

/**
 * Books that end with the process: for tests and `store: memory`. What was sold is forgotten, so a restart gives every
 * credential its uses back.
 */
export function memoryStore(): Ledger {
  const counters = new Map<string, bigint>()
  const reservations = new Map<bigint, readonly Held[]>()
  const revocations = new RevocationSet()
  let nextId = 1n
  let closed = false

  const usedOf = (key: string): bigint => counters.get(key) ?? 0n
  const giveBack = (held: readonly Held[]): void => {
    for (const { key, amount } of held) {
      const left = usedOf(key) - amount
      // Nothing stays of a counter that was never used: a holder can name new ones without end.
      if (left === 0n) counters.delete(key)
      else counters.set(key, left)
    }
  }
  const checkOpen = (): void => {
    if (closed) throw new L402Error('store_unavailable', 'the ledger is closed')
  }

  function reserve({ redemption, uses }: ReserveRequest): Reservation | NotReserved {
    if (revocations.has(redemption)) return { ok: false, failed: 'revoked' }
    const states: { used: bigint }[] = []
    const held: Held[] = []
    for (const [index, use] of uses.entries()) {
      const key = encodeHex(use.key)
      const before = usedOf(key)
      if (before > roomBefore(use)) {
        giveBack(held)
        return { ok: false, failed: index }
      }
      counters.set(key, before + use.amount)
      held.push({ key, amount: use.amount })
      states.push({ used: before + use.amount })
    }
    const id = nextId++
    reservations.set(id, held)
    return { ok: true, id, states }
  }

  return {
    async reserve(request): Promise<Reservation | NotReserved> {
      checkReserve(request)
      checkOpen()
      return reserve(request)
    },
    async serve(id): Promise<void> {
      checkOpen()
      if (!reservations.has(id)) throw lapsed()
    },
    async commit(id): Promise<void> {
      checkOpen()
      reservations.delete(id)
    },
    async release(id): Promise<void> {
      checkOpen()
      giveBack(reservations.get(id) ?? [])
      reservations.delete(id)
    },
    async read(keys): Promise<readonly { used: bigint }[]> {
      for (const key of keys) checkKey(key, 'counter key')
      checkOpen()
      return keys.map((key) => ({ used: usedOf(encodeHex(key)) }))
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
    },
  }
}
