import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CounterUse, Ledger, Redemption, Reservation, ReserveRequest } from './ledger.ts'
import { describeCredit } from './ledger-credit.test-suite.ts'
import { describeMarks } from './ledger-marks.test-suite.ts'
import { agreesWithModel } from './ledger-model.test-suite.ts'

/** Where the parts of the contract find the ledger. */
export interface LedgerPlace {
  /** The ledger's clock, in milliseconds since 1970. */
  readonly clock: { nowMs: number }
  readonly ledger: () => Ledger
  /** Answers whether there was a restart: books in memory have none. */
  readonly restart: () => Promise<boolean>
}

/** A ledger under test. */
export interface LedgerWorld {
  readonly ledger: Ledger
  /** Closes the ledger and opens the same books again, where books outlive their ledger. */
  readonly restart?: () => Promise<Ledger>
}

let serial = 0

/** 32 bytes nobody else has in this run. */
export function freshKey(): Uint8Array {
  const key = new Uint8Array(32).fill(7)
  new DataView(key.buffer).setUint32(4, ++serial)
  return key
}

/** A payer nobody else is. */
export function freshRedemption(extra: Partial<Redemption> = {}): Redemption {
  return { paymentHash: freshKey(), tokenId: freshKey(), service: 'weather', ...extra }
}

/** A use of one counter. */
export function use(key: Uint8Array, limit: bigint, amount = 1n): CounterUse {
  return { key, limit, amount }
}

/** Reserves for a fresh payer. */
export function request(...uses: readonly CounterUse[]): ReserveRequest {
  return { redemption: freshRedemption(), uses }
}

/** Reserves what must fit. */
export async function reserved(ledger: Ledger, ...uses: readonly CounterUse[]): Promise<Reservation> {
  const outcome = await ledger.reserve(request(...uses))
  if (!outcome.ok) throw new Error(`not reserved: ${outcome.failed}`)
  return outcome
}

/** How full one counter is. */
export async function usedOf(ledger: Ledger, key: Uint8Array): Promise<bigint | undefined> {
  return (await ledger.read([key]))[0]?.used
}

const MAX = 2n ** 63n - 1n

/** What every ledger does (protocol §5, rules 1–3, 5 and 9). `make` gets the clock that the ledger must go by. */
export function describeLedger(name: string, make: (now: () => number) => Promise<LedgerWorld>): void {
  describe(name, () => {
    const clock = { nowMs: Date.UTC(2026, 0, 1) }
    const now = (): number => clock.nowMs
    let world: LedgerWorld
    let ledger: Ledger
    beforeAll(async () => {
      world = await make(now)
      ledger = world.ledger
    })
    afterAll(() => ledger.close())
    const place = {
      clock,
      ledger: (): Ledger => ledger,
      async restart(): Promise<boolean> {
        if (world.restart !== undefined) ledger = await world.restart()
        return world.restart !== undefined
      },
    }
    describeCredit(place)
    describeMarks(place)

    it('counts a reservation at once, keeps it when committed, gives it back when released', async () => {
      const key = freshKey()
      const first = await reserved(ledger, use(key, 10n, 3n))
      expect(first.states).toEqual([{ used: 3n }])
      const second = await reserved(ledger, use(key, 10n, 4n))
      expect(second.states).toEqual([{ used: 7n }])
      await ledger.commit(first.id)
      expect(await usedOf(ledger, key)).toBe(7n)
      await ledger.release(second.id)
      expect(await usedOf(ledger, key)).toBe(3n)
    })

    it('ends a reservation once, whatever is asked again (rule 3)', async () => {
      const key = freshKey()
      const kept = await reserved(ledger, use(key, 10n))
      const freed = await reserved(ledger, use(key, 10n))
      await Promise.all([ledger.commit(kept.id), ledger.release(kept.id), ledger.commit(kept.id)])
      await Promise.all([ledger.release(freed.id), ledger.release(freed.id), ledger.commit(freed.id)])
      await Promise.all([ledger.release(MAX), ledger.commit(0n), ledger.commit(-1n)])
      expect(await usedOf(ledger, key)).toBe(1n)
    })

    it('gives a use back also after serving began, until it is committed', async () => {
      const key = freshKey()
      const broken = await reserved(ledger, use(key, 10n))
      const whole = await reserved(ledger, use(key, 10n))
      await Promise.all([ledger.serve(broken.id), ledger.serve(whole.id)])
      expect(await usedOf(ledger, key)).toBe(2n)
      await Promise.all([ledger.serve(broken.id), ledger.release(broken.id), ledger.commit(whole.id)])
      expect(await usedOf(ledger, key)).toBe(1n)
    })

    it('lets nothing be served for a reservation that has ended, or never was', async () => {
      const key = freshKey()
      const given = await reserved(ledger, use(key, 10n))
      const kept = await reserved(ledger, use(key, 10n))
      await Promise.all([ledger.release(given.id), ledger.commit(kept.id)])
      for (const id of [given.id, kept.id, MAX, 0n, -1n])
        await expect(ledger.serve(id)).rejects.toMatchObject({
          code: 'store_unavailable',
          message: expect.stringContaining('has lapsed'),
        })
      expect(await usedOf(ledger, key)).toBe(1n)
    })

    it('admits exactly as many as the limit, asked all at once (rule 2)', async () => {
      const key = freshKey()
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, () => ledger.reserve(request(use(key, 10n)))),
      )
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(10)
      expect(outcomes.slice(10)).toEqual(Array.from({ length: 90 }, () => ({ ok: false, failed: 0 })))
      expect(new Set(outcomes.map((outcome) => (outcome.ok ? outcome.id : 0n))).size).toBe(11)
      expect(await usedOf(ledger, key)).toBe(10n)
    })

    it('touches no counter unless all have room, and names the first that has none', async () => {
      const [wide, narrow, other] = [freshKey(), freshKey(), freshKey()]
      const all = [use(wide, 100n, 5n), use(narrow, 1n), use(other, 9n)]
      expect((await reserved(ledger, ...all)).states).toEqual([{ used: 5n }, { used: 1n }, { used: 1n }])
      expect(await ledger.reserve(request(...all))).toEqual({ ok: false, failed: 1 })
      expect(await ledger.reserve(request(use(wide, 5n), use(narrow, 1n)))).toEqual({ ok: false, failed: 0 })
      expect(await ledger.read([other, narrow, wide])).toEqual([{ used: 1n }, { used: 1n }, { used: 5n }])
    })

    it('lets a full counter disturb nothing else that is asked in the same turn', async () => {
      const [full, free] = [freshKey(), freshKey()]
      const held = await reserved(ledger, use(full, 1n))
      const [refused, taken, , again] = await Promise.all([
        ledger.reserve(request(use(free, 5n), use(full, 1n))),
        ledger.reserve(request(use(free, 5n))),
        ledger.release(held.id),
        ledger.reserve(request(use(full, 1n))),
      ])
      expect(refused).toEqual({ ok: false, failed: 1 })
      expect([taken?.ok, again?.ok]).toEqual([true, true])
      expect(await ledger.read([full, free])).toEqual([{ used: 1n }, { used: 1n }])
    })

    it('is exact up to 2^63−1, and takes larger limits for that', async () => {
      const key = freshKey()
      const held = await reserved(ledger, use(key, MAX, MAX))
      expect(held.states).toEqual([{ used: MAX }])
      expect(await ledger.reserve(request(use(key, 2n ** 64n)))).toEqual({ ok: false, failed: 0 })
      await ledger.release(held.id)
      expect((await reserved(ledger, use(key, 2n ** 64n, MAX - 1n))).states).toEqual([{ used: MAX - 1n }])
      expect((await reserved(ledger, use(key, MAX))).states).toEqual([{ used: MAX }])
      const never = use(freshKey(), 2n ** 70n, 2n ** 65n)
      expect(await ledger.reserve(request(never))).toEqual({ ok: false, failed: 0 })
      expect(await ledger.reserve(request(use(freshKey(), 0n)))).toEqual({ ok: false, failed: 0 })
      expect(await ledger.reserve(request(use(freshKey(), -1n)))).toEqual({ ok: false, failed: 0 })
      expect(await usedOf(ledger, never.key)).toBe(0n)
    })

    it('reads what was never used as 0', async () => {
      expect(await ledger.read([freshKey(), freshKey()])).toEqual([{ used: 0n }, { used: 0n }])
      expect(await ledger.read([])).toEqual([])
    })

    it.each(['tokenId', 'paymentHash'] as const)('refuses what was revoked by %s, at once', async (by) => {
      const redemption = freshRedemption()
      const uses = [use(freshKey(), 10n)]
      const open = await ledger.reserve({ redemption, uses })
      expect(ledger.isRevoked(redemption)).toBe(false)
      const epoch = ledger.revocationEpoch
      const target =
        by === 'tokenId' ? { tokenId: redemption.tokenId } : { paymentHash: redemption.paymentHash }
      const [, outcome] = await Promise.all([ledger.revoke(target), ledger.reserve({ redemption, uses })])
      expect(outcome).toEqual({ ok: false, failed: 'revoked' })
      expect(ledger.isRevoked(redemption)).toBe(true)
      expect(ledger.isRevoked({ tokenId: redemption.paymentHash, paymentHash: redemption.tokenId })).toBe(
        false,
      )
      expect(ledger.revocationEpoch).toBe(epoch + 1)
      await ledger.revoke(target)
      expect(ledger.revocationEpoch).toBe(epoch + 1)
      if (open.ok) await ledger.commit(open.id)
      expect(await ledger.read(uses.map(({ key }) => key))).toEqual([{ used: 1n }])
    })

    it('calls wrong use by its name and does nothing', async () => {
      const key = freshKey()
      const short = new Uint8Array(31)
      await expect(ledger.reserve(request())).rejects.toThrow(RangeError)
      await expect(ledger.reserve(request(use(key, 5n, 0n)))).rejects.toThrow(RangeError)
      await expect(ledger.reserve(request(use(key, 5n), use(short, 5n)))).rejects.toThrow(RangeError)
      const redemption = { ...freshRedemption(), tokenId: short }
      await expect(ledger.reserve({ redemption, uses: [use(key, 5n)] })).rejects.toThrow(RangeError)
      await expect(ledger.read([short])).rejects.toThrow(RangeError)
      await expect(ledger.revoke({ tokenId: short })).rejects.toThrow(RangeError)
      expect(await usedOf(ledger, key)).toBe(0n)
    })

    it('answers ping', async () => {
      await expect(ledger.ping()).resolves.toBeUndefined()
    })

    it('finishes what is queued when it is closed, then is unavailable (rule 9)', async () => {
      const { ledger: closing } = await make(now)
      const key = freshKey()
      const last = closing.reserve(request(use(key, 1n)))
      const closed = closing.close()
      expect(await last).toMatchObject({ ok: true, states: [{ used: 1n }] })
      await closed
      await closing.close()
      for (const call of [
        closing.reserve(request(use(key, 1n))),
        closing.commit(1n),
        closing.release(1n),
        closing.read([key]),
        closing.revoke({ tokenId: key }),
        closing.ping(),
        closing.credit(freshRedemption(), 1n),
        closing.draw(1n, 1n),
        closing.pace([{ key, limit: 1n, windowMs: 1 }]),
        closing.unpace([{ key, limit: 1n, windowMs: 1 }]),
        closing.once(key, 1),
        closing.claim({ key, digest: key, untilMs: 1 }),
        closing.answer(key, key),
        closing.unclaim(key),
        closing.prune(),
      ])
        await expect(call).rejects.toMatchObject({ code: 'store_unavailable' })
    })

    it('agrees with a simple model under random interleavings', async () => {
      await fc.assert(agreesWithModel({ current: place.ledger, restart: place.restart, clock }), {
        numRuns: 100,
      })
    })
  })
}
