import { describe, expect, it } from 'vitest'
import { BUNDLE, bench, FREE, PASS, passed, refused } from '../../../test/gate-bench.ts'
import { L402Error } from '../../core/errors.ts'
import type { Quote } from '../pricing/pricer.ts'
import { routeTerms } from '../route-terms.ts'
import type { LimitAuthority } from './authority.ts'
import { readRateLimits } from './rate-rules.ts'

const limits = readRateLimits('test', [{ requests: '1/1h', per: 'route' }])
const down: LimitAuthority = {
  take: () => Promise.reject(new L402Error('store_unavailable', 'nobody counts')),
  giveBack: () => {},
}

describe('limits that cannot be counted right now', () => {
  it('let nothing through, free or paid, and are a 503 that says when to come again', async () => {
    const buyer = bench()
    const credential = await buyer.buy(PASS)
    const { ask } = bench({ limits: down, ledger: buyer.ledger })
    for (const decision of [
      await ask({ ...FREE, limits }),
      await ask({ ...PASS, limits }, credential),
      await ask(BUNDLE),
    ]) {
      expect(refused(decision)).toMatchObject({ status: 503, reason: 'store_unavailable' })
      expect(refused(decision).headers).toContain('Retry-After')
    }
  })

  it('keep nobody out of a route in shadow', async () => {
    const { ask } = bench({ limits: down })
    expect(passed(await ask({ ...PASS, limits, shadow: true })).shadow).toBe('missing')
    expect(passed(await ask({ ...FREE, limits, shadow: true })).shadow).toBe('store_unavailable')
  })
})

describe('a request that its pricer says is free', () => {
  const free = (binds: 'price' | 'request') =>
    routeTerms('weather', '/chat', {
      price: {
        ...{ kind: 'test', text: 'test', readsBody: false, timeoutMs: 1_000, binds, scope: () => '' },
        price: (): Quote => ({ state: 'free' }),
      },
    })

  it.each(['price', 'request'] as const)('is within the rates of its route (%s)', async (binds) => {
    const { ask } = bench()
    const route = { ...free(binds), limits }
    expect((await ask(route)).outcome).toBe('pass')
    expect(refused(await ask(route))).toMatchObject({ status: 429, reason: 'rate_limited' })
  })

  it.each(['price', 'request'] as const)('counts once for its address (%s)', async (binds) => {
    const { ask } = bench()
    const perAddress = readRateLimits('test', [{ requests: '2/1h', per: 'address' }])
    const route = { ...free(binds), limits: perAddress }
    for (const expected of ['pass', 'pass', 'refuse']) expect((await ask(route)).outcome).toBe(expected)
  })
})
