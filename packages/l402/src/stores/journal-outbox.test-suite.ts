import { describe, expect, it } from 'vitest'
import type { Journal, Letter, SaleNote } from './journal.ts'
import { freshId, freshSale } from './journal-contract.test-suite.ts'

const AT = Date.UTC(2026, 0, 2)

/** What every journal does with letters to receivers. */
export function describeOutbox(journal: () => Journal): void {
  describe('the outbox', () => {
    /** Receivers of this test alone. */
    const receiver = (): string => `r${freshId().slice(-8)}`
    const sell = async (to: readonly string[], tokenId: string, count: number): Promise<void> => {
      for (let n = 0; n < count; n++) {
        const sold: SaleNote = { type: 'settled', facts: freshSale({ tokenId }), atMs: AT + n }
        await journal().note([sold], { settled: to })
      }
    }
    const take = (to: string, nowMs: number, limit = 10): Promise<readonly Letter[]> =>
      journal().take({ receivers: [to], nowMs, leaseMs: 1_000, limit })

    it('has a letter for each who wants to hear of an event, and for nobody else', async () => {
      const [one, two, none] = [receiver(), receiver(), receiver()]
      await sell([one, two], freshId(), 1)
      const letters = [...(await take(one, AT)), ...(await take(two, AT))]
      expect(letters.map(({ receiver: to, type, attempts }) => [to, type, attempts])).toEqual([
        [one, 'settled', 1],
        [two, 'settled', 1],
      ])
      expect(letters[0]?.eventId).toBe(letters[1]?.eventId)
      const body = JSON.parse(String(letters[0]?.body))
      expect(body).toMatchObject({ type: 'settled', data: { service: 'weather', amountMsat: 10_000 } })
      expect(await take(none, AT + 10_000)).toEqual([])
    })

    it('gives the letters of a token one after the other, and those of others meanwhile', async () => {
      const to = receiver()
      const [slow, quick] = [freshId(), freshId()]
      await sell([to], slow, 2)
      await sell([to], quick, 1)
      const first = await take(to, AT + 10)
      expect(first.map(({ tokenId }) => tokenId)).toEqual([slow, quick])
      // Taken: nobody else gets them for a while.
      expect(await take(to, AT + 500)).toEqual([])
      const [letter, other] = first
      if (letter === undefined || other === undefined) throw new Error('two letters expected')
      await journal().delivered(other.key, AT + 20)
      await journal().postpone(letter.key, { atMs: AT + 5_000, nowMs: AT + 20, why: '503' })
      expect(await journal().nextDueMs([to])).toBe(AT + 5_000)
      expect(await take(to, AT + 4_999)).toEqual([])
      const again = await take(to, AT + 5_000)
      expect(again.map(({ eventId, attempts }) => [eventId, attempts])).toEqual([[letter.eventId, 2]])
      await journal().delivered(letter.key, AT + 5_001)
      await journal().delivered(letter.key, AT + 5_001)
      const last = await take(to, AT + 5_001)
      expect(last.map(({ tokenId }) => tokenId)).toEqual([slow])
      expect(last[0]?.eventId).not.toBe(letter.eventId)
      await journal().delivered(String(last[0]?.key), AT + 5_002)
      expect(await journal().nextDueMs([to])).toBeNull()
    })

    it('gives a letter again when who took it does not say what became of it', async () => {
      const to = receiver()
      await sell([to], freshId(), 1)
      const [first] = await take(to, AT)
      const [second] = await take(to, AT + 1_000)
      expect([second?.eventId, second?.attempts]).toEqual([first?.eventId, 2])
    })

    it('gives each letter to one of those who ask at the same time', async () => {
      const to = receiver()
      for (let n = 0; n < 4; n++) await sell([to], freshId(), 1)
      const taken = await Promise.all([1, 2, 3].map(() => take(to, AT + 10, 2)))
      const ids = taken.flat().map(({ eventId }) => eventId)
      expect([ids.length, new Set(ids).size]).toEqual([4, 4])
    })

    it('gives up when told so, goes on with the next one, and can be told to try again', async () => {
      const to = receiver()
      await sell([to], freshId(), 2)
      const before = await journal().outbox()
      const [first] = await take(to, AT + 10)
      if (first === undefined) throw new Error('a letter expected')
      await journal().postpone(first.key, { atMs: null, nowMs: AT + 20, why: 'answered 410' })
      const [second] = await take(to, AT + 20)
      expect(second?.eventId).not.toBe(first.eventId)
      const after = await journal().outbox()
      expect([after.dead - before.dead, after.waiting - before.waiting]).toEqual([1, -1])
      const { items } = await journal().deadLetters({ limit: 1 })
      expect(items).toMatchObject([
        { eventId: first.eventId, receiver: to, why: 'answered 410', diedAtMs: AT + 20 },
      ])
      const options = { receiver: to, nowMs: AT + 30 }
      expect(await journal().redeliver(first.eventId, options)).toBe(true)
      expect(await journal().redeliver(first.eventId, options)).toBe(false)
      await journal().delivered(String(second?.key), AT + 40)
      expect((await take(to, AT + 40)).map(({ eventId }) => eventId)).toEqual([first.eventId])
    })
  })
}
