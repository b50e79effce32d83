import { describe, expect, it } from 'vitest'
import type { CounterUse, Ledger, Redemption, Reservation } from './ledger.ts'
import {
  freshKey,
  freshRedemption,
  type LedgerPlace,
  reserved,
  use,
  usedOf,
} from './ledger-contract.test-suite.ts'
import { END_GRACE_MS } from './lib/ends.ts'

const DAY_MS = 86_400_000
const MAX = 2n ** 63n - 1n

/** A draw on the account of a payer. */
function draw({ tokenId }: Redemption, estimate: bigint): CounterUse {
  return { key: tokenId, limit: 'credited', amount: estimate, metered: true }
}

/** A delegated budget that is drawn on beside the account. */
function spend(key: Uint8Array, limit: bigint, estimate: bigint): CounterUse {
  return { key, limit, amount: estimate, metered: true }
}

async function hold(ledger: Ledger, redemption: Redemption, ...uses: CounterUse[]): Promise<Reservation> {
  const outcome = await ledger.reserve({ redemption, uses })
  if (!outcome.ok) throw new Error(`not reserved: ${outcome.failed}`)
  return outcome
}

/** Accounts, measured costs, and the end of what was sold: protocol §5, rules 1, 2, 5, 6 and 8. */
export function describeCredit({ ledger, clock, restart }: LedgerPlace): void {
  const account = async ({ tokenId }: Redemption): Promise<unknown> => (await ledger().read([tokenId]))[0]
  const pruneAll = async (): Promise<number> => {
    let removed = 0
    for (let more = await ledger().prune(); more > 0; more = await ledger().prune()) removed += more
    return removed
  }

  describe('credit', () => {
    it('is put on the account once per payment, asked all at once and again (rule 1)', async () => {
      const payer = freshRedemption()
      const answers = await Promise.all(Array.from({ length: 20 }, () => ledger().credit(payer, 500n)))
      expect(answers.filter(Boolean)).toHaveLength(1)
      expect(await ledger().credit({ ...payer, service: 'other' }, 900n)).toBe(false)
      expect(await account(payer)).toEqual({ used: 0n, credited: 500n, lost: 0n })
      await restart()
      expect(await ledger().credit(payer, 500n)).toBe(false)
    })

    it('of a second payment under the same token id tops the same account up (rule 8)', async () => {
      const payer = freshRedemption()
      await ledger().credit(payer, 500n)
      const held = await hold(ledger(), payer, draw(payer, 400n))
      expect(held.states).toEqual([{ used: 400n, credited: 500n }])
      const topUp = { ...payer, paymentHash: freshKey() }
      expect(await ledger().credit(topUp, 300n)).toBe(true)
      await ledger().commit(held.id)
      expect((await hold(ledger(), topUp, draw(topUp, 400n))).states).toEqual([
        { used: 800n, credited: 800n },
      ])
      expect(await ledger().reserve({ redemption: payer, uses: [draw(payer, 1n)] })).toEqual({
        ok: false,
        failed: 0,
      })
    })

    it('is needed for any draw, and never exceeded by many at once (rule 2)', async () => {
      const payer = freshRedemption()
      const ask = () => ledger().reserve({ redemption: payer, uses: [draw(payer, 7n)] })
      expect(await ask()).toEqual({ ok: false, failed: 0 })
      await ledger().credit({ ...payer, paymentHash: freshKey() }, 50n)
      const outcomes = await Promise.all(Array.from({ length: 30 }, ask))
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(7)
      expect(await account(payer)).toEqual({ used: 49n, credited: 50n, lost: 0n })
    })

    it('and a reservation asked in the same turn find each other', async () => {
      const payer = freshRedemption()
      const [, outcome] = await Promise.all([
        ledger().credit(payer, 9n),
        ledger().reserve({ redemption: payer, uses: [draw(payer, 9n)] }),
      ])
      expect(outcome).toMatchObject({ ok: true, states: [{ used: 9n, credited: 9n }] })
    })

    it('holds up to 2^63−1 msat and no more', async () => {
      const payer = freshRedemption()
      await ledger().credit(payer, MAX)
      await ledger().credit({ ...payer, paymentHash: freshKey() }, MAX)
      expect(await account(payer)).toEqual({ used: 0n, credited: MAX, lost: 0n })
      const held = await hold(ledger(), payer, draw(payer, MAX))
      await ledger().commit(held.id, 2n ** 70n)
      expect(await account(payer)).toMatchObject({ used: MAX, credited: MAX })
      for (const wrong of [0n, -1n, MAX + 1n])
        await expect(ledger().credit(freshRedemption(), wrong)).rejects.toThrow(RangeError)
    })
  })

  describe('a measured cost', () => {
    it('below the estimate gives the rest back to the account and to every budget on the chain', async () => {
      const payer = freshRedemption()
      const [budget, calls] = [freshKey(), freshKey()]
      await ledger().credit(payer, 1_000n)
      const held = await hold(ledger(), payer, use(calls, 5n), spend(budget, 300n, 200n), draw(payer, 200n))
      expect(held.states).toEqual([{ used: 1n }, { used: 200n }, { used: 200n, credited: 1_000n }])
      await ledger().serve(held.id)
      await Promise.all([
        ledger().commit(held.id, 30n),
        ledger().commit(held.id, 500n),
        ledger().release(held.id),
      ])
      expect(await ledger().read([calls, budget, payer.tokenId])).toEqual([
        { used: 1n },
        { used: 30n },
        { used: 30n, credited: 1_000n, lost: 0n },
      ])
    })

    it('of nothing leaves no trace of a budget', async () => {
      const payer = freshRedemption()
      const budget = freshKey()
      await ledger().credit(payer, 10n)
      const held = await hold(ledger(), payer, spend(budget, 10n, 4n), draw(payer, 4n))
      await ledger().commit(held.id, 0n)
      expect(await ledger().read([budget, payer.tokenId])).toEqual([
        { used: 0n },
        { used: 0n, credited: 10n, lost: 0n },
      ])
    })

    it('above the estimate takes what is left and records the rest as lost (rule 5)', async () => {
      const payer = freshRedemption()
      await ledger().credit(payer, 100n)
      const other = await hold(ledger(), payer, draw(payer, 30n))
      const held = await hold(ledger(), payer, draw(payer, 20n))
      await ledger().commit(held.id, 75n)
      // 30 of the 100 are another request's.
      expect(await account(payer)).toEqual({ used: 100n, credited: 100n, lost: 5n })
      await ledger().commit(other.id, 40n)
      expect(await account(payer)).toEqual({ used: 100n, credited: 100n, lost: 15n })
    })

    it('never exceeds the smallest budget on its chain, and takes the same from all', async () => {
      const payer = freshRedemption()
      const budget = freshKey()
      await ledger().credit(payer, 1_000n)
      const held = await hold(ledger(), payer, spend(budget, 50n, 20n), draw(payer, 20n))
      await ledger().commit(held.id, 80n)
      expect(await ledger().read([budget, payer.tokenId])).toEqual([
        { used: 50n },
        { used: 50n, credited: 1_000n, lost: 30n },
      ])
    })

    it('leaves counted calls alone', async () => {
      const calls = freshKey()
      const held = await reserved(ledger(), use(calls, 5n, 2n))
      await ledger().commit(held.id, 0n)
      expect(await usedOf(ledger(), calls)).toBe(2n)
    })

    it('is drawn while a stream goes on, and committed at its end', async () => {
      const payer = freshRedemption()
      await ledger().credit(payer, 100n)
      const held = await hold(ledger(), payer, draw(payer, 10n))
      await ledger().serve(held.id)
      expect(await ledger().draw(held.id, 5n)).toBe(true)
      expect(await account(payer)).toMatchObject({ used: 10n })
      expect(await ledger().draw(held.id, 60n)).toBe(true)
      expect(await account(payer)).toMatchObject({ used: 60n })
      expect(await ledger().draw(held.id, 130n)).toBe(false)
      expect(await account(payer)).toEqual({ used: 100n, credited: 100n, lost: 0n })
      expect(await ledger().reserve({ redemption: payer, uses: [draw(payer, 1n)] })).toMatchObject({
        ok: false,
      })
      await ledger().commit(held.id, 140n)
      expect(await account(payer)).toEqual({ used: 100n, credited: 100n, lost: 40n })
      await expect(ledger().draw(held.id, 1n)).rejects.toMatchObject({ code: 'store_unavailable' })
    })

    it('that was drawn survives a crash; given back is what was not yet served', async () => {
      const payer = freshRedemption()
      await ledger().credit(payer, 100n)
      const streaming = await hold(ledger(), payer, draw(payer, 10n))
      await ledger().serve(streaming.id)
      await ledger().draw(streaming.id, 40n)
      await hold(ledger(), payer, draw(payer, 10n))
      if (!(await restart())) return
      expect(await account(payer)).toEqual({ used: 40n, credited: 100n, lost: 0n })
    })

    it('is 0 msat or more, the same for all metered uses, each of another counter', async () => {
      const payer = freshRedemption()
      await ledger().credit(payer, 100n)
      const held = await hold(ledger(), payer, draw(payer, 10n))
      await expect(ledger().commit(held.id, -1n)).rejects.toThrow(RangeError)
      await expect(ledger().draw(held.id, -1n)).rejects.toThrow(RangeError)
      const budget = freshKey()
      for (const uses of [
        [spend(budget, 50n, 1n), draw(payer, 2n)],
        [spend(budget, 50n, 1n), spend(budget, 40n, 1n)],
      ])
        await expect(ledger().reserve({ redemption: payer, uses })).rejects.toThrow(RangeError)
    })
  })

  describe('housekeeping', () => {
    it('forgets counters, accounts and payments a day after no credential can name them', async () => {
      const endsAtMs = clock.nowMs + 3_600_000
      const payer = freshRedemption({ endsAtMs })
      const counter = freshKey()
      await ledger().credit(payer, 100n)
      const held = await hold(ledger(), payer, { ...use(counter, 5n), endsAtMs }, draw(payer, 10n))
      await ledger().commit(held.id)
      clock.nowMs = endsAtMs + END_GRACE_MS - 1
      await pruneAll()
      expect(await ledger().read([counter, payer.tokenId])).toEqual([
        { used: 1n },
        { used: 10n, credited: 100n, lost: 0n },
      ])
      expect(await ledger().credit(payer, 100n)).toBe(false)
      clock.nowMs += 1
      expect(await pruneAll()).toBeGreaterThanOrEqual(3)
      expect(await ledger().read([counter, payer.tokenId])).toEqual([{ used: 0n }, { used: 0n }])
    })

    it('takes a payment that it had forgotten down again with its first use', async () => {
      const payer = freshRedemption({ endsAtMs: clock.nowMs })
      await ledger().credit(payer, 1n)
      clock.nowMs += END_GRACE_MS
      await pruneAll()
      await hold(ledger(), payer, use(freshKey(), 5n))
      expect(await ledger().credit(payer, 1n)).toBe(false)
    })

    it('keeps an account as long as its longest payment, and for ever where one never ends', async () => {
      const payer = freshRedemption({ endsAtMs: clock.nowMs })
      const endless = freshRedemption({ endsAtMs: clock.nowMs })
      await ledger().credit(payer, 1n)
      await ledger().credit({ ...payer, paymentHash: freshKey(), endsAtMs: clock.nowMs + 5 * DAY_MS }, 1n)
      await ledger().credit(endless, 1n)
      await ledger().credit({ ...endless, paymentHash: freshKey(), endsAtMs: null }, 1n)
      clock.nowMs += 2 * DAY_MS
      await pruneAll()
      expect(await account(payer)).toMatchObject({ credited: 2n })
      clock.nowMs += 5 * DAY_MS
      await pruneAll()
      expect(await account(payer)).toEqual({ used: 0n })
      expect(await account(endless)).toMatchObject({ credited: 2n })
    })

    it('never touches what is reserved, nor what has no end', async () => {
      const endsAtMs = clock.nowMs
      const [ending, endless] = [freshKey(), freshKey()]
      const held = await reserved(ledger(), { ...use(ending, 5n), endsAtMs })
      await ledger().commit((await reserved(ledger(), use(endless, 5n))).id)
      clock.nowMs += 30 * DAY_MS
      await pruneAll()
      expect(await ledger().read([ending, endless])).toEqual([{ used: 1n }, { used: 1n }])
      await ledger().commit(held.id)
      await pruneAll()
      expect(await ledger().read([ending, endless])).toEqual([{ used: 0n }, { used: 1n }])
    })
  })
}
