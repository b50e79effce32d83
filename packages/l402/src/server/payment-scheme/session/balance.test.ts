import { describe, expect, it } from 'vitest'
import { readCharge } from '../../metering/charge-offer.ts'
import { sessionUnit } from './balance.ts'

const credit = { creditMsat: 100_000n }

describe('the unit of a session', () => {
  it('is a call of a bundle, for its share of the deposit', () => {
    expect(sessionUnit({ grants: { calls: 50 } }, 100_000n)).toEqual({ sats: 2n, type: 'request' })
    expect(sessionUnit({ grants: { calls: 3 } }, 10_000n)).toEqual({ sats: 4n, type: 'request' })
    expect(sessionUnit({ grants: { calls: 500 } }, 10_000n)).toEqual({ sats: 1n, type: 'request' })
  })

  it('is an event where nothing else has a price of its own', () => {
    const of = (offer: Parameters<typeof readCharge>[1]) =>
      sessionUnit({ grants: credit, charge: readCharge('route', offer) }, 100_000n)
    expect(of({ events: '2 sat', estimate: '20 sat' })).toEqual({ sats: 2n, type: 'event' })
    expect(of({ events: '5 sat/2', fixed: '7 sat', estimate: '20 sat' })).toEqual({ sats: 3n, type: 'event' })
    expect(of({ events: '2 sat', seconds: '1 sat', estimate: '20 sat' })).toEqual({
      sats: 20n,
      type: 'request',
    })
    expect(of({ fixed: '1500 msat' })).toEqual({ sats: 2n, type: 'request' })
  })
})
