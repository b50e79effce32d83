import { describe, expect, it } from 'vitest'
import { bench, challengeOf, PASS, refused } from '../../../test/gate-bench.ts'
import { decodeInvoice } from '../../core/bolt11/index.ts'
import { memoryLightning } from '../../lightning/memory.ts'
import { memoryStore } from '../../stores/memory/index.ts'
import { paywall } from '../paywall.ts'
import { expressionPricer } from '../pricing/expression/expression-pricer.ts'
import type { PricedEvent } from '../pricing/pricer.ts'
import { routeGates } from '../route-gates.ts'
import { routeTerms } from '../route-terms.ts'
import { amountBounds } from './amount-bounds.ts'

const exact = { exactMsat: true }
const SIZE = routeTerms('weather', 'POST /query', { price: expressionPricer('1 sat * bytes') })
const sized = (bodyBytes: number) => ({ method: 'POST', bodyBytes })

describe('amount bounds', () => {
  it('are the narrower ones of backend and operator, both ends within', () => {
    const own = { ...exact, amounts: { leastMsat: 2_000n, mostMsat: 9_000n } }
    const bounds = amountBounds(own, { leastMsat: 1_000n, mostMsat: 5_000n })
    expect([1_999n, 2_000n, 5_000n, 5_001n].map((msat) => bounds(msat)?.why)).toEqual([
      'too_low',
      undefined,
      undefined,
      'too_high',
    ])
    expect(bounds(5_001n)?.detail).toBe('5001 msat is above the 5 sat that can be received')
    expect(amountBounds(exact)(1n)).toBeUndefined()
  })

  it('count what the invoice will be for, where the backend rounds up to a satoshi', () => {
    const bounds = amountBounds({ exactMsat: false }, { leastMsat: 1_000n, mostMsat: 2_500n })
    expect([1n, 2_000n, 2_001n].map((msat) => bounds(msat)?.why)).toEqual([undefined, undefined, 'too_high'])
  })

  it.each([
    [{ leastMsat: 0n }, 'above 0'],
    [{ mostMsat: -1n }, 'above 0'],
    [{ leastMsat: 2n, mostMsat: 1n }, 'that something is within'],
  ])('are refused at set-up where they are none: %o', (limits, message) => {
    expect(() => amountBounds(exact, limits)).toThrow(RangeError)
    expect(() => bench({ amounts: limits })).toThrow(message)
  })
})

describe('a price outside of the bounds', () => {
  it('is answered with 503 and no invoice, and one within is sold as it is', async () => {
    const events: PricedEvent[] = []
    let made = 0
    const wallet = memoryLightning()
    const create = wallet.createInvoice.bind(wallet)
    wallet.createInvoice = (request) => {
      made++
      return create(request)
    }
    const amounts = { leastMsat: 10_000n, mostMsat: 20_000n }
    const { ask } = bench({
      amounts,
      lightning: wallet,
      now: Date.now,
      onPriced: (event) => events.push(event),
    })
    for (const bytes of [9, 21]) {
      const answer = refused(await ask(SIZE, undefined, sized(bytes)))
      expect(answer).toMatchObject({ status: 503, reason: 'price_unavailable' })
      expect(answer.headers).toContain('Retry-After')
      expect(answer.headers).not.toContain('WWW-Authenticate')
      expect(JSON.parse(answer.body).detail).toMatch(/outside the amounts that can be received/)
    }
    expect(made).toBe(0)
    expect(events.map(({ outcome }) => outcome)).toEqual(['priced', 'too_low', 'priced', 'too_high'])
    for (const bytes of [10, 20]) {
      const { invoice } = challengeOf(await ask(SIZE, undefined, sized(bytes)))
      expect(decodeInvoice(invoice).amountMsat).toBe(BigInt(bytes) * 1_000n)
    }
  })

  it('takes nothing from who has bought before', async () => {
    const wallet = memoryLightning()
    const ledger = memoryStore()
    const before = bench({ ledger, now: Date.now }, wallet)
    const credential = await before.buy(PASS)
    const after = bench({ ledger, now: Date.now, amounts: { mostMsat: 9_999n } }, wallet)
    expect((await after.ask(PASS, credential)).outcome).toBe('pass')
    expect(refused(await after.ask(PASS))).toMatchObject({ status: 503, reason: 'price_unavailable' })
  })

  it('is an error at set-up where it is fixed', () => {
    const common = {
      lightning: memoryLightning(),
      store: memoryStore(),
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(7), active: true }],
      amounts: { leastMsat: 2_000n },
    }
    const offer = { price: '1 sat' }
    const message = /invalid price of route "\/x": 1 sat is below the 2 sat that can be received/
    expect(() => paywall({ ...common, services: { a: { routes: [{ match: '/x', ...offer }] } } })).toThrow(
      message,
    )
    expect(() => routeGates({ ...common, services: { a: {} } })({ name: '/x', ...offer })).toThrow(message)
    expect(() => routeGates({ ...common, services: { a: {} } })({ name: '/y', price: '2 sat' })).not.toThrow()
  })
})
