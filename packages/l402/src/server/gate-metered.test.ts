import { describe, expect, it } from 'vitest'
import { BUNDLE, bench, METERED, narrowed, PASS, passed, refused, soldIn } from '../../test/gate-bench.ts'
import { routeTerms } from './route-terms.ts'

/** Of an answer: what `RateLimit` says is left of the credit. */
function left(headers: readonly string[]): number {
  const line = headers[headers.indexOf('RateLimit') + 1] ?? ''
  return Number(/"credit";r=([0-9]+)/.exec(line)?.[1])
}

describe('a metered route (protocol §5)', () => {
  it('sells credit, reserves the estimate, takes what it cost and gives the rest back (rules 2, 3)', async () => {
    const self = bench()
    const credential = await self.buy(METERED)
    const first = passed(await self.ask(METERED, credential)).entitlement
    expect(first?.answerHeaders).toEqual([
      ...['RateLimit-Policy', '"credit";q=100000;qu="msat"'],
      ...['RateLimit', '"credit";r=98000'],
    ])
    await first?.serve()
    await first?.commit({ costMsat: 500n })
    const second = passed(await self.ask(METERED, credential)).entitlement
    expect(left(second?.answerHeaders ?? [])).toBe(97_500)
    await second?.release()
    const third = passed(await self.ask(METERED, credential)).entitlement
    expect(left(third?.answerHeaders ?? [])).toBe(97_500)
    await third?.commit()
    expect(left(passed(await self.ask(METERED, credential)).entitlement?.answerHeaders ?? [])).toBe(95_500)
  })

  it('credits a payment once, however many present it at once (rule 1)', async () => {
    const self = bench()
    const credential = await self.buy(METERED)
    const all = await Promise.all(Array.from({ length: 80 }, () => self.ask(METERED, credential)))
    expect(all.filter(({ outcome }) => outcome === 'pass')).toHaveLength(50)
  })

  it('tops the same account up where the credential is used up: old and new one draw from it (rule 8)', async () => {
    const self = bench()
    const old = await self.buy(METERED)
    const { entitlement } = passed(await self.ask(METERED, old))
    await entitlement?.commit({ costMsat: 99_000n })
    const answer = refused(await self.ask(METERED, old))
    expect(answer).toMatchObject({ reason: 'exhausted', status: 402 })
    expect(soldIn(answer).tokenId).toBe(entitlement?.tokenId)
    expect(soldIn(answer).caveats).not.toContain(expect.stringContaining('max_spend'))
    const fresh = await self.buy(METERED, old)
    // Nothing is added before the payment is presented, and then all of it, once.
    expect(refused(await self.ask(METERED, old)).reason).toBe('exhausted')
    const paid = passed(await self.ask(METERED, fresh)).entitlement
    expect(paid?.tokenId).toBe(entitlement?.tokenId)
    expect(left(paid?.answerHeaders ?? [])).toBe(99_000)
    await paid?.release()
    expect(left(passed(await self.ask(METERED, old)).entitlement?.answerHeaders ?? [])).toBe(99_000)
  })

  it('sells the holder of a narrower copy no way into what others have on the account', async () => {
    const self = bench()
    const parent = await self.buy(METERED)
    const child = narrowed(parent, 'weather_max_spend_msat=2000')
    await passed(await self.ask(METERED, child)).entitlement?.commit({ costMsat: 2_000n })
    const answer = refused(await self.ask(METERED, child))
    expect(answer).toMatchObject({ reason: 'exhausted' })
    expect(answer.body).toContain('weather_max_spend_msat')
    expect(soldIn(answer).caveats.at(-1)).toBe('weather_max_spend_msat=100000')
    const own = await self.buy(METERED, child)
    let drawn = 0
    for (; ; drawn++) {
      const decision = await self.ask(METERED, own)
      if (decision.outcome !== 'pass') break
      await decision.entitlement?.commit({ costMsat: 2_000n })
    }
    expect(drawn).toBe(50)
    // The parent has what it had left.
    expect(left(passed(await self.ask(METERED, parent)).entitlement?.answerHeaders ?? [])).toBe(96_000)
  })

  it('records what an answer cost beyond the credit as lost, and sells again (rule 5)', async () => {
    const self = bench()
    const credential = await self.buy(METERED)
    const { entitlement } = passed(await self.ask(METERED, credential))
    await entitlement?.serve()
    expect(await entitlement?.draw(60_000n)).toBe(true)
    expect(await entitlement?.draw(150_000n)).toBe(false)
    expect(refused(await self.ask(METERED, credential)).reason).toBe('exhausted')
    await entitlement?.commit({ costMsat: 160_000n })
    const balance = await self.gate.balance(['Authorization', credential])
    expect(balance).toMatchObject({
      outcome: 'balance',
      services: [{ usable: false, reason: 'exhausted', credit: { leftMsat: 0n, lostMsat: 60_000n } }],
    })
  })

  it('opens for credit only, and credit opens nothing else, also under one capability', async () => {
    const shared = { capability: 'everything' }
    const metered = { ...METERED, ...shared }
    const bundle = { ...BUNDLE, ...shared }
    const self = bench()
    const credit = await self.buy(metered)
    const calls = await self.buy(bundle)
    expect(refused(await self.ask(bundle, credit))).toMatchObject({ reason: 'caveat_failed' })
    expect(refused(await self.ask(metered, calls))).toMatchObject({ reason: 'caveat_failed' })
    passed(await self.ask(metered, credit))
    passed(await self.ask(bundle, calls))
  })

  it('takes nobody’s word for credit but the mint’s', async () => {
    const shared = { capability: 'everything' }
    const self = bench()
    for (const route of [METERED, PASS, BUNDLE]) {
      const credential = await self.buy({ ...route, ...shared })
      for (const stated of [
        'weather_credit_msat=999999999',
        'weather_credit_msat=1',
        'weather_credit_msat=x',
      ])
        expect(refused(await self.ask({ ...METERED, ...shared }, narrowed(credential, stated))).reason).toBe(
          'caveat_failed',
        )
    }
  })

  it('may be bounded in calls and in time as well', async () => {
    const both = routeTerms('weather', 'POST /both', {
      price: '10 sat',
      grants: { credit: '100 sat', calls: 2, valid: '1m' },
      charge: { fixed: '1 sat' },
    })
    const self = bench()
    const credential = await self.buy(both)
    const headers = passed(await self.ask(both, credential)).entitlement?.answerHeaders ?? []
    expect(headers).toContain('"calls";r=1, "credit";r=99000')
    await passed(await self.ask(both, credential)).entitlement?.commit({ costMsat: 1_000n })
    expect(refused(await self.ask(both, credential))).toMatchObject({ reason: 'exhausted' })
    self.clock += 60_000
    expect(refused(await self.ask(both, credential))).toMatchObject({ reason: 'expired' })
  })

  it('tops an account up only by what is sold where its credential opens (rule 7)', async () => {
    const dear = routeTerms('weather', 'POST /dear', {
      price: '100 sat',
      grants: { credit: '100 sat', valid: '1h' },
      charge: { fixed: '1 sat' },
    })
    // For a sat there is more to be had here, of something else.
    const cheap = routeTerms('weather', 'POST /cheap', {
      price: '1 sat',
      grants: { credit: '100 sat', valid: '1h' },
      charge: { fixed: '1 sat' },
    })
    const self = bench()
    const old = await self.buy(dear)
    const { tokenId } = passed(await self.ask(dear, old)).entitlement ?? {}
    for (const stated of ['weather_max_calls=0', 'weather_max_spend_msat=0']) {
      const nothing = narrowed(old, stated)
      expect(soldIn(await self.ask(cheap, nothing)).tokenId).not.toBe(tokenId)
    }
    self.clock += 3_600_000
    expect(refused(await self.ask(cheap, old))).toMatchObject({ reason: 'expired' })
    expect(soldIn(await self.ask(cheap, old)).tokenId).not.toBe(tokenId)
    expect(soldIn(await self.ask(dear, old)).tokenId).toBe(tokenId)
    const elsewhere = narrowed(old, 'weather_paths=/elsewhere')
    expect(soldIn(await self.ask(dear, elsewhere)).tokenId).not.toBe(tokenId)
  })

  it('puts no payment on the account again whose time is long over, whatever asks for it (rule 1)', async () => {
    const timed = routeTerms('weather', 'POST /timed', {
      price: '10 sat',
      grants: { credit: '10 sat', valid: '1h' },
      charge: { fixed: '1 sat' },
    })
    const self = bench()
    const old = await self.buy(timed)
    await passed(await self.ask(timed, old)).entitlement?.commit({ costMsat: 1_000n })
    self.clock += 3_600_000
    // Top-ups keep the account, while the books forget the first payment: no credential of it is good any more.
    let fresh = old
    for (let hour = 0; hour < 40; hour++) {
      fresh = await self.buy(timed, fresh)
      await passed(await self.ask(timed, fresh)).entitlement?.release()
      self.clock += 3_600_000
      await self.ledger.prune()
    }
    const last = await self.buy(timed, fresh)
    const credit = async (credential: string) => {
      const balance = await self.gate.balance(['Authorization', credential])
      return balance.outcome === 'balance' ? balance.services[0]?.credit?.creditedMsat : undefined
    }
    expect(await credit(last)).toBe(42n * 10_000n)
    expect(refused(await self.ask(timed, old))).toMatchObject({ reason: 'expired' })
    await self.gate.balance(['Authorization', old])
    await self.gate.balance(['Authorization', old])
    expect(await credit(last)).toBe(42n * 10_000n)
  })

  it('puts a credit back that the books have forgotten, though it was known here', async () => {
    const first = bench()
    const credential = await first.buy(METERED)
    await passed(await first.ask(METERED, credential)).entitlement?.release()
    const { credit } = first.ledger
    let forgotten = false
    // As after a restore: the first reservation finds no account, the credit is new again.
    const self = bench({
      ledger: {
        ...first.ledger,
        isRevoked: () => false,
        revocationEpoch: 0,
        reserve: async (request) => {
          if (forgotten) return first.ledger.reserve(request)
          return { ok: false, failed: request.uses.length - 1 }
        },
        credit: async (redemption, amountMsat) => {
          const before = forgotten
          forgotten = calls++ > 0
          await credit(redemption, amountMsat)
          return !before && forgotten
        },
        close: async () => {},
      },
    })
    let calls = 0
    self.clock = first.clock
    passed(await self.ask(METERED, credential))
    expect(calls).toBe(2)
  })
})
