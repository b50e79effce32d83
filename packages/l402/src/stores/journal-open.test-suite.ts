import { describe, expect, it } from 'vitest'
import type { Journal, OpenSale } from './journal.ts'
import { freshId, freshSale } from './journal-contract.test-suite.ts'

const AT = Date.UTC(2026, 0, 3)
const ROOM = { most: 1_000 }

/** What every journal does with invoices that are out, and with the places to go on listening from. */
export function describeOpenSales(
  journal: () => Journal,
  other: () => Promise<Journal>,
  durable: () => boolean,
): void {
  describe('invoices that are out', () => {
    const open = (payableUntilMs: number): OpenSale => ({ facts: freshSale(), payableUntilMs })
    const hashOf = (sale: OpenSale): string => sale.facts.paymentHash
    const all = async (): Promise<readonly OpenSale[]> => (await journal().openSales({ limit: 1_000 })).items
    const clear = async (): Promise<void> => journal().forgetOpen((await all()).map(hashOf))

    it('are remembered with all that is known of them, the first to end first, in pages', async () => {
      await clear()
      const sales = [3, 1, 2, 5, 4].map((nth) => open(AT + nth))
      await journal().keepOpen(sales, ROOM)
      // The same again is the same.
      await journal().keepOpen(sales.slice(0, 2), ROOM)
      const sorted = [...sales].sort((a, b) => a.payableUntilMs - b.payableUntilMs)
      expect(await all()).toEqual(sorted)
      const first = await journal().openSales({ limit: 3 })
      expect(first.items).toEqual(sorted.slice(0, 3))
      expect(await journal().openSales({ limit: 3, cursor: String(first.next) })).toEqual({
        items: sorted.slice(3),
        next: null,
      })
      expect((await journal().openSales({ limit: 9, endBeforeMs: AT + 3 })).items).toEqual(sorted.slice(0, 2))
      for (const sale of sales) expect(await journal().openSale(hashOf(sale))).toEqual(sale)
      expect(await journal().openSale(freshId())).toBeUndefined()
    })

    it('are forgotten with their sale, and are not remembered after it', async () => {
      await clear()
      const [settled, redeemed, late, unpaid] = [open(AT), open(AT), open(AT), open(AT)]
      await journal().keepOpen([settled, redeemed, unpaid], ROOM)
      for (const [type, { facts }] of [
        ['settled', settled],
        ['redeemed', redeemed],
        ['settled', late],
      ] as const)
        await journal().note([{ type, facts, atMs: AT }], {})
      await journal().keepOpen([late], ROOM)
      expect(await all()).toEqual([unpaid])
      await journal().forgetOpen([hashOf(unpaid), freshId()])
      expect(await all()).toEqual([])
    })

    it('are never more than there is room for: those that end first go', async () => {
      await clear()
      const sales = [1, 2, 3, 4, 5].map((nth) => open(AT + nth))
      await journal().keepOpen(sales.slice(0, 3), { most: 3 })
      await journal().keepOpen(sales.slice(3), { most: 3 })
      expect(await all()).toEqual(sales.slice(2))
      // Forgetting makes room.
      await journal().forgetOpen([hashOf(sales[4] as OpenSale)])
      await journal().keepOpen([open(AT + 9)], { most: 3 })
      expect(await all()).toHaveLength(3)
      await journal().keepOpen([], { most: 3 })
    })

    it('are remembered by another process, as is where to go on listening', async () => {
      await clear()
      const sale = open(AT)
      await journal().keepOpen([sale], ROOM)
      expect(await journal().nodeCursor('lnd-1')).toBeUndefined()
      await journal().keepNodeCursor('lnd-1', '17')
      await journal().keepNodeCursor('lnd-2', '{"a":"1"}')
      await journal().keepNodeCursor('lnd-1', '18')
      expect([await journal().nodeCursor('lnd-1'), await journal().nodeCursor('lnd-2')]).toEqual([
        '18',
        '{"a":"1"}',
      ])
      if (!durable()) return
      const next = await other()
      expect(await next.openSale(hashOf(sale))).toEqual(sale)
      expect(await next.nodeCursor('lnd-1')).toBe('18')
      await next.close()
    })

    it('refuses names and cursors that are none', async () => {
      await expect(journal().keepNodeCursor('a/b', '1')).rejects.toThrow('expected 1 to 64 plain characters')
      await expect(journal().nodeCursor('')).rejects.toThrow('expected 1 to 64 plain characters')
      await expect(journal().keepNodeCursor('lnd-1', 'x'.repeat(4_097))).rejects.toThrow('at most 4096')
    })
  })
}
