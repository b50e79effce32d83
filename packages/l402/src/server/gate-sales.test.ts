import { describe, expect, it } from 'vitest'
import { BUNDLE, bench, challengeOf, PASS, passed, refused } from '../../test/gate-bench.ts'
import type { SaleFacts } from '../stores/journal.ts'
import { expressionPricer } from './pricing/expression/expression-pricer.ts'
import { routeTerms } from './route-terms.ts'
import type { ChallengedSale, SalesWatcher } from './sales-watcher.ts'

interface Told {
  readonly challenged: ChallengedSale[]
  readonly redeemed: SaleFacts[]
  readonly exhausted: SaleFacts[]
  readonly watcher: SalesWatcher
}

function told({ takes = () => true }: { takes?: () => boolean } = {}): Told {
  const challenged: ChallengedSale[] = []
  const redeemed: SaleFacts[] = []
  const exhausted: SaleFacts[] = []
  const watcher: SalesWatcher = {
    challenged: (sale) => void challenged.push(sale),
    redeemed(sale) {
      redeemed.push(sale)
      return takes()
    },
    exhausted: (sale) => void exhausted.push(sale),
  }
  return { challenged, redeemed, exhausted, watcher }
}

const SIZE = routeTerms('weather', 'POST /query', {
  price: expressionPricer('10 sat + 1 msat * bytes'),
  grants: { calls: 3 },
})

describe('a watcher of sales', () => {
  it('is told of a challenge with the amount of its invoice, and of its credential once', async () => {
    const sales = told()
    const { ask, buy } = bench({ sales: sales.watcher })
    const credential = await buy(PASS)
    for (let i = 0; i < 3; i++) passed(await ask(PASS, credential))
    expect(sales.challenged).toMatchObject([{ amountMsat: 10_000n, amountExact: true, route: PASS.name }])
    expect(sales.redeemed).toMatchObject([{ paymentHash: sales.challenged[0]?.paymentHash }])
    expect(sales.exhausted).toEqual([])
  })

  it('is told again of a redemption that it did not take', async () => {
    let takes = false
    const sales = told({ takes: () => takes })
    const { ask, buy } = bench({ sales: sales.watcher })
    const credential = await buy(PASS)
    for (let i = 0; i < 2; i++) passed(await ask(PASS, credential))
    takes = true
    for (let i = 0; i < 2; i++) passed(await ask(PASS, credential))
    expect(sales.redeemed).toHaveLength(3)
  })

  it('is told what is used up, with every request that is refused for it', async () => {
    const sales = told()
    const { ask, buy } = bench({ sales: sales.watcher })
    const credential = await buy(BUNDLE)
    for (let i = 0; i < 3; i++) await passed(await ask(BUNDLE, credential)).entitlement?.commit()
    for (let i = 0; i < 2; i++) refused(await ask(BUNDLE, credential))
    expect(sales.redeemed).toHaveLength(1)
    expect(sales.exhausted.map(({ paymentHash }) => paymentHash)).toEqual(
      Array(2).fill(sales.redeemed[0]?.paymentHash),
    )
  })

  it('hears the price that a pricer said from the challenge alone: what a credential shows is no amount', async () => {
    const sales = told()
    const { ask, buy } = bench({ sales: sales.watcher })
    const size = { method: 'POST', bodyBytes: 500 }
    const credential = await buy(SIZE, undefined, size)
    passed(await ask(SIZE, credential, size))
    expect(sales.challenged).toMatchObject([{ amountMsat: 10_500n, amountExact: true }])
    expect(sales.redeemed).toMatchObject([{ amountMsat: null, amountExact: false }])
  })

  it('hears of a challenge that is handed out again under the same payment hash', async () => {
    const sales = told()
    const { ask } = bench({ sales: sales.watcher, challenges: {} })
    const [one, two] = [challengeOf(await ask(PASS)), challengeOf(await ask(PASS))]
    expect(one.invoice).toBe(two.invoice)
    expect(sales.challenged).toHaveLength(2)
    expect(sales.challenged[1]).toEqual(sales.challenged[0])
  })

  it('hears nothing of what nobody paid for: freebies, free routes, routes in shadow', async () => {
    const sales = told()
    const { ask } = bench({ sales: sales.watcher })
    const gift = routeTerms('weather', 'GET /gift', { price: '10 sat', freebie: '1/1d' })
    expect(passed(await ask(gift)).entitlement?.freebie).toBe(true)
    const shadow = routeTerms('weather', 'GET /shadow', { price: '10 sat', shadow: true })
    expect(passed(await ask(shadow)).shadow).toBe('missing')
    passed(await ask(routeTerms('weather', '/health', { free: true })))
    expect([sales.challenged, sales.redeemed, sales.exhausted]).toEqual([[], [], []])
    // The freebie is used up, so this one is asked to pay.
    refused(await ask(gift))
    expect(sales.challenged).toHaveLength(1)
  })

  it('hears of a credential that was paid for on a route in shadow', async () => {
    const sales = told()
    const { ask, buy } = bench({ sales: sales.watcher })
    const credential = await buy(PASS)
    passed(await ask({ ...PASS, shadow: true }, credential))
    expect(sales.redeemed).toHaveLength(1)
  })
})
