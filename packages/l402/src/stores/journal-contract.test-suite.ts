import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Journal, Sale, SaleFacts, SaleNote } from './journal.ts'
import { describeOpenSales } from './journal-open.test-suite.ts'
import { describeOutbox } from './journal-outbox.test-suite.ts'

/** A journal under test. */
export interface JournalWorld {
  readonly journal: Journal
  /** The same journal as another process has it. */
  readonly other: () => Promise<Journal>
  /** Whether it is there after a restart; books in memory are not. */
  readonly durable: boolean
}

let serial = 0

/** 64 hex digits nobody else has in this run. */
export function freshId(beginning = ''): string {
  const tail = (++serial).toString(16).padStart(12, '0')
  return beginning.padEnd(52, '7') + tail
}

/** A sale nobody else has. */
export function freshSale(extra: Partial<SaleFacts> = {}): SaleFacts {
  return {
    paymentHash: freshId(),
    tokenId: freshId(),
    service: 'weather',
    route: 'GET /forecast/*',
    amountMsat: 10_000n,
    amountExact: true,
    grants: { calls: 50, creditMsat: null, validSeconds: null },
    callsKey: null,
    endsAtMs: null,
    ...extra,
  }
}

const NOBODY = {}
const AT = Date.UTC(2026, 0, 1, 12, 30)

function note(type: SaleNote['type'], facts: SaleFacts, atMs = AT): SaleNote {
  return { type, facts, atMs }
}

/** What every journal does. `make` opens an empty one. */
export function describeJournal(name: string, make: () => Promise<JournalWorld>): void {
  describe(name, () => {
    let world: JournalWorld
    let journal: Journal
    beforeAll(async () => {
      world = await make()
      journal = world.journal
    })
    afterAll(() => journal.close())

    const told = async (...notes: SaleNote[]): Promise<readonly string[]> =>
      (await journal.note(notes, NOBODY)).map(({ type }) => type)

    it('has one row for each payment, and each event once', async () => {
      const facts = freshSale()
      expect(await told(note('settled', facts))).toEqual(['settled'])
      expect(await told(note('settled', facts), note('redeemed', facts, AT + 5))).toEqual(['redeemed'])
      expect(await told(note('redeemed', facts, AT + 9), note('exhausted', facts, AT + 10))).toEqual([
        'exhausted',
      ])
      expect(await told(note('exhausted', facts), note('redeemed', facts))).toEqual([])
      expect(await journal.sale(facts.paymentHash)).toMatchObject({
        ...facts,
        settledAtMs: AT,
        redeemedAtMs: AT + 5,
        exhaustedAtMs: AT + 10,
        revokedAtMs: null,
      })
    })

    it('knows that what was redeemed was settled', async () => {
      expect(await told(note('redeemed', freshSale()))).toEqual(['settled', 'redeemed'])
      expect(await told(note('exhausted', freshSale()))).toEqual(['settled', 'redeemed', 'exhausted'])
    })

    it('keeps what it knows, and takes a better amount for a worse one', async () => {
      const facts = freshSale({ amountMsat: 9_000n, amountExact: false, service: 'better' })
      await told(note('redeemed', facts))
      await told(
        note('settled', { ...facts, amountMsat: 8_500n, amountExact: true, callsKey: freshId(), route: 'x' }),
      )
      await told(note('settled', { ...facts, amountMsat: 7_000n, amountExact: true, callsKey: freshId() }))
      const sale = await journal.sale(facts.paymentHash)
      expect(sale).toMatchObject({ amountMsat: 8_500n, amountExact: true, route: facts.route })
      const hours = await journal.hours({ fromMs: AT - 3_600_000, toMs: AT + 1 })
      expect(hours.filter(({ service }) => service === 'better')).toEqual([
        {
          hourMs: Date.UTC(2026, 0, 1, 12),
          service: 'better',
          route: facts.route,
          sales: 1,
          amountMsat: 8_500n,
        },
      ])
    })

    it('counts a payment once however many note it at the same time', async () => {
      const other = await world.other()
      const facts = freshSale({ service: 'crowded' })
      const journals = [journal, other, journal, other, journal, other]
      const events = await Promise.all(
        journals.map((each) => each.note([note('redeemed', facts), note('exhausted', facts)], NOBODY)),
      )
      expect(
        events
          .flat()
          .map(({ type }) => type)
          .sort(),
      ).toEqual(['exhausted', 'redeemed', 'settled'])
      expect(new Set(events.flat().map(({ id }) => id)).size).toBe(3)
      const hours = await journal.hours({ fromMs: AT - 3_600_000, toMs: AT + 1 })
      expect(hours.find(({ service }) => service === 'crowded')).toMatchObject({
        sales: 1,
        amountMsat: 10_000n,
      })
      if (other !== journal) await other.close()
    })

    it('lists sales and tokens, the newest first, page by page', async () => {
      const tokenId = freshId('cafe')
      const facts = [1, 2, 3].map(() => freshSale({ service: 'paged', tokenId }))
      for (const each of facts) await told(note('settled', each))
      const alone = freshSale({ service: 'paged', tokenId: freshId('cafe'), paymentHash: freshId('beef') })
      await told(note('redeemed', alone))

      const first = await journal.sales({ limit: 3, service: 'paged' })
      expect(first.items.map(({ paymentHash }) => paymentHash)).toEqual(
        [alone, facts[2], facts[1]].map((each) => each?.paymentHash),
      )
      const rest = await journal.sales({ limit: 3, service: 'paged', cursor: String(first.next) })
      expect([rest.items.map(({ paymentHash }) => paymentHash), rest.next]).toEqual([
        [facts[0]?.paymentHash],
        null,
      ])
      const redeemed = await journal.sales({ limit: 5, service: 'paged', state: 'redeemed' })
      expect(redeemed.items.map(({ paymentHash }) => paymentHash)).toEqual([alone.paymentHash])
      const found = await journal.sales({ limit: 5, search: 'beef' })
      expect(found.items.map(({ paymentHash }) => paymentHash)).toEqual([alone.paymentHash])

      const tokens = await journal.tokens({ limit: 5, service: 'paged' })
      expect(tokens.items.map((token) => [token.tokenId, token.sales.length])).toEqual([
        [alone.tokenId, 1],
        [tokenId, 3],
      ])
      const searched = await journal.tokens({ limit: 1, search: 'cafe' })
      const more = await journal.tokens({ limit: 5, search: 'cafe', cursor: String(searched.next) })
      expect([...searched.items, ...more.items].map((token) => token.tokenId).sort()).toEqual(
        [alone.tokenId, tokenId].sort(),
      )
      expect((await journal.token(tokenId))?.sales.map(({ paymentHash }) => paymentHash)).toEqual(
        facts.map(({ paymentHash }) => paymentHash),
      )
      expect(await journal.token(freshId())).toBeUndefined()
      expect(await journal.sale(freshId())).toBeUndefined()
    })

    it('marks what was revoked, once', async () => {
      const tokenId = freshId()
      const facts = [freshSale({ tokenId }), freshSale({ tokenId })]
      for (const each of facts) await told(note('settled', each))
      const options = { atMs: AT, subscribers: NOBODY }
      expect(await journal.revoked({ paymentHash: String(facts[0]?.paymentHash) }, options)).toHaveLength(1)
      const rest = await journal.revoked({ tokenId }, options)
      expect(rest.map(({ sale }) => sale.paymentHash)).toEqual([facts[1]?.paymentHash])
      expect(await journal.revoked({ tokenId }, options)).toEqual([])
      expect(await journal.revoked({ tokenId: freshId() }, options)).toEqual([])
      const listed = await journal.sales({ limit: 10, state: 'revoked' })
      expect(listed.items.map(({ tokenId: of }) => of)).toEqual([tokenId, tokenId])
    })

    it('records a refund once, within what may be given back, until the ledger has it', async () => {
      const { paymentHash, tokenId, ...facts } = freshSale()
      await told(note('exhausted', { paymentHash, tokenId, ...facts }))
      const ask = (amount: bigint, key = freshId()): Parameters<Journal['refund']>[0] => {
        return { key, paymentHash, tokenId, kind: 'calls', amount, reason: 'late', by: 'ops', atMs: AT }
      }
      const asked = ask(2n)
      expect(await journal.refund(asked, 3n)).toMatchObject({
        outcome: 'recorded',
        sale: { refundedCalls: 2 },
      })
      expect(await journal.refund(asked, 3n)).toMatchObject({ outcome: 'known', refund: { applied: false } })
      expect(await journal.refund({ ...asked, amount: 1n }, 3n)).toEqual({ outcome: 'conflict' })
      expect(await journal.refund(ask(2n), 3n)).toEqual({ outcome: 'too_much', most: 1n })
      expect((await journal.pendingRefunds()).map(({ key }) => key)).toContain(asked.key)
      const options = { atMs: AT + 1, subscribers: NOBODY }
      expect(await journal.refundApplied(asked.key, options)).toMatchObject({
        type: 'refunded',
        refund: { amount: 2n },
      })
      expect(await journal.refundApplied(asked.key, options)).toBeUndefined()
      expect((await journal.pendingRefunds()).map(({ key }) => key)).not.toContain(asked.key)
      expect(await journal.refundsOf(paymentHash)).toMatchObject([{ ...asked, applied: true }])
      // It opens again, so that it can be used up again.
      expect(await told(note('exhausted', { paymentHash, tokenId, ...facts }))).toEqual(['exhausted'])

      const unknown = { ...ask(1n), paymentHash: freshId() }
      expect(await journal.refund(unknown, 9n)).toEqual({ outcome: 'unknown_payment' })
      await journal.revoked({ paymentHash }, options)
      expect(await journal.refund(ask(1n), 3n)).toEqual({ outcome: 'revoked' })
    })

    it('gives back no more than may be, however many ask at the same time', async () => {
      const other = await world.other()
      const facts = freshSale({ grants: { calls: null, creditMsat: 10_000n, validSeconds: null } })
      await told(note('redeemed', facts))
      const outcomes = await Promise.all(
        [journal, other, journal, other, journal].map((each) =>
          each.refund(
            {
              key: freshId(),
              paymentHash: facts.paymentHash,
              tokenId: facts.tokenId,
              kind: 'credit',
              amount: 3_000n,
              reason: '',
              by: 'ops',
              atMs: AT,
            },
            7_000n,
          ),
        ),
      )
      expect(outcomes.filter(({ outcome }) => outcome === 'recorded')).toHaveLength(2)
      expect((await journal.sale(facts.paymentHash))?.refundedMsat).toBe(6_000n)
      if (other !== journal) await other.close()
    })

    describe('a token with more payments than one look takes in', () => {
      const COUNT = 202
      const tokenId = freshId()
      const grants = { calls: null, creditMsat: 10_000n, validSeconds: null }
      const sales = Array.from({ length: COUNT }, () => freshSale({ tokenId, grants }))
      const [first, last] = [sales.at(0) ?? freshSale(), sales.at(-1) ?? freshSale()]
      beforeAll(() => told(...sales.map((facts) => note('redeemed', facts))))

      it('is given back no more than was used, by whichever payment', async () => {
        const ask = async ({ paymentHash }: SaleFacts) => {
          const terms = { key: freshId(), paymentHash, tokenId, kind: 'credit', reason: '', by: '' } as const
          return (await journal.refund({ ...terms, amount: 5_000n, atMs: AT }, 5_000n)).outcome
        }
        expect([await ask(last), await ask(last), await ask(first)]).toEqual([
          ...['recorded', 'too_much', 'too_much'],
        ])
      })

      it('is not used up any more after a top-up, whichever payment told that it was', async () => {
        for (const facts of [first, last])
          expect(await told(note('exhausted', facts), note('exhausted', facts))).toEqual(['exhausted'])
        const more = freshSale({ tokenId, grants })
        expect(await told(note('redeemed', more))).toEqual(['settled', 'redeemed'])
        for (const facts of [first, last, more])
          expect(await told(note('exhausted', facts), note('exhausted', facts))).toEqual(['exhausted'])
      })

      it('is shown and revoked with all of them', async () => {
        expect((await journal.token(tokenId))?.sales).toHaveLength(COUNT + 1)
        const events = await journal.revoked({ tokenId }, { atMs: AT, subscribers: NOBODY })
        expect(events).toHaveLength(COUNT + 1)
      })
    })

    it('keeps what operators did, the newest first', async () => {
      for (const what of ['revoke', 'reload'])
        await journal.audit({ atMs: AT, who: 'ops', what, subject: 'x', status: 200 })
      const { items, next } = await journal.audits({ limit: 1 })
      expect(items.map(({ what }) => what)).toEqual(['reload'])
      expect(
        (await journal.audits({ limit: 5, cursor: String(next) })).items.map(({ what }) => what),
      ).toEqual(['revoke'])
    })

    it('is refused nothing that a route may be called', async () => {
      const facts = freshSale({ route: '~^/a/é|"\\x00', service: 'odd' })
      await told(note('settled', facts))
      expect((await journal.sale(facts.paymentHash))?.route).toBe(facts.route)
      expect(
        (await journal.hours({ fromMs: AT - 3_600_000, toMs: AT + 1 })).map(({ route }) => route),
      ).toContain(facts.route)
    })

    describeOutbox(() => journal)
    describeOpenSales(
      () => journal,
      () => world.other(),
      () => world.durable,
    )

    it('is there again after a restart', async () => {
      if (!world.durable) return
      const facts = freshSale()
      await told(note('settled', facts))
      const again = await world.other()
      expect(await again.sale(facts.paymentHash)).toMatchObject({ paymentHash: facts.paymentHash })
      await again.close()
    })

    it('forgets what is old, and nothing that still opens something', async () => {
      const old = Date.UTC(2025, 0, 1)
      const tokenId = freshId()
      const gone = freshSale({ tokenId })
      const lasting = freshSale({ endsAtMs: AT + 1 })
      const young = freshSale({ tokenId })
      const first = (await journal.sales({ limit: 1_000 })).items.length
      await told(note('settled', young))
      // Sales are forgotten in the order they came.
      expect(await journal.prune(old)).toBe(0)
      const fresh = await world.other()
      await fresh.note([note('settled', gone, old), note('settled', lasting, old)], NOBODY)
      expect((await journal.sales({ limit: 1_000 })).items).toHaveLength(first + 3)
      expect(await journal.prune(Date.UTC(2027, 0, 1))).toBeGreaterThan(0)
      expect(await journal.sale(gone.paymentHash)).toBeUndefined()
      // A bundle without an end may be used for ever: that it is forgotten makes it no new sale.
      expect(await told(note('redeemed', gone), note('exhausted', gone))).toEqual([])
      // Accounts without an end may be topped up, and given back to, for ever.
      const isAccount = ({ grants }: Sale): boolean => grants.creditMsat !== null
      expect((await journal.sales({ limit: 1_000 })).items.every(isAccount)).toBe(true)
      const tokens = (await journal.tokens({ limit: 1_000 })).items
      expect(tokens.flatMap(({ sales }) => sales).every(isAccount)).toBe(true)
      expect((await journal.audits({ limit: 5 })).items).toEqual([])
      const useful = freshSale({ endsAtMs: Date.UTC(2028, 0, 1) })
      await told(note('settled', useful))
      await journal.prune(Date.UTC(2027, 0, 1))
      expect(await journal.sale(useful.paymentHash)).toMatchObject({ settledAtMs: AT })
      expect(await told(note('settled', useful))).toEqual([])
      if (fresh !== journal) await fresh.close()
    })

    it('knows what was given back of an account as long as a payment of it is known', async () => {
      const tokenId = freshId()
      const grants = { calls: null, creditMsat: 10_000n, validSeconds: null }
      const [old, ending] = [Date.UTC(2024, 0, 1), Date.UTC(2028, 0, 1)]
      const [first, last] = [freshSale({ tokenId, grants }), freshSale({ tokenId, grants, endsAtMs: ending })]
      const ask = async ({ paymentHash }: SaleFacts) => {
        const terms = { key: freshId(), paymentHash, tokenId, kind: 'credit', reason: '', by: '' } as const
        return (await journal.refund({ ...terms, amount: 5_000n, atMs: old }, 5_000n)).outcome
      }
      await told(note('redeemed', first, old))
      expect(await ask(first)).toBe('recorded')
      await told(note('redeemed', last, Date.UTC(2026, 0, 1)))
      for (let i = 0; i < 3; i++) await journal.prune(Date.UTC(2027, 0, 1))
      expect(await ask(last)).toBe('too_much')
      for (let i = 0; i < 3; i++) await journal.prune(ending + 1)
      expect(await journal.token(tokenId)).toBeUndefined()
    })

    it('forgets what is old behind any number of sales that last', async () => {
      const old = Date.UTC(2025, 0, 1)
      const lasting = Array.from({ length: 1_000 }, () => freshSale({ endsAtMs: Date.UTC(2028, 0, 1) }))
      const gone = freshSale({ endsAtMs: old + 1 })
      const notes = [...lasting, gone].map((facts) => note('settled', facts, old))
      for (let i = 0; i < notes.length; i += 100) await told(...notes.slice(i, i + 100))
      for (let i = 0; i < 3; i++) await journal.prune(Date.UTC(2027, 0, 1))
      expect(await journal.sale(gone.paymentHash)).toBeUndefined()
      expect(await journal.sale(lasting.at(-1)?.paymentHash ?? '')).toBeDefined()
    })
  })
}
