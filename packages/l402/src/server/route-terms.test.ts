import { describe, expect, it } from 'vitest'
import { type RouteOffer, routeTerms } from './route-terms.ts'

const terms = (offer: RouteOffer, name = 'GET /x') => routeTerms('weather', name, offer)

describe('the terms of a route', () => {
  it('sell one call where nothing else is said', () => {
    expect(terms({ price: '10 sat' })).toEqual({
      service: 'weather',
      name: 'GET /x',
      free: false,
      priceMsat: 10_000n,
      grants: { calls: 1 },
      capability: 'GET /x',
    })
  })

  it('hold calls, seconds, both, or neither on a free route', () => {
    expect(terms({ price: 1n, grants: { calls: 5, valid: '1h' } }).grants).toEqual({
      calls: 5,
      validSeconds: 3600,
    })
    expect(terms({ price: 1n, grants: { valid: 90 } }).grants).toEqual({ validSeconds: 90 })
    expect(terms({ free: true })).toMatchObject({ free: true, priceMsat: 0n, grants: {} })
  })

  it('bind a credential to the route by a capability that a list can hold', () => {
    expect(terms({ price: 1n }, 'GET,POST /x').capability).toBe('GET%2CPOST /x')
    expect(terms({ price: 1n, capability: 'read' }).capability).toBe('read')
  })

  it.each<[RouteOffer, RegExp]>([
    [{ price: 1n, capability: 'a,b' }, /capability.*commas/],
    [{ price: 1n, capability: '' }, /capability/],
    [{ price: 1n, capability: 'a\n' }, /capability/],
    [{ price: 1n, capability: '\ud800' }, /capability/],
    [{ price: 1n, capability: 'é'.repeat(513) }, /capability.*1024 bytes/],
    [{ price: 2_100_000_000_000_000_001n }, /price.*21 million/],
    [{ price: -1n }, /more than 0/],
    [{ price: 1n, grants: { valid: 1.5 } }, /valid/],
    [{ free: true, grants: { calls: 1 } }, /got both/],
  ])('are not %o', (offer, message) => {
    expect(() => terms(offer)).toThrow(message)
    expect(() => terms(offer)).toThrow(RangeError)
  })

  it.each(['', 'Weather', 'a:b', 'a,b', '_a', 'a'.repeat(65), 'a=b', 'a b'])(
    'are of no service called %j',
    (name) => {
      expect(() => routeTerms(name, 'GET /x', { price: 1n })).toThrow(/service name/)
    },
  )
})
