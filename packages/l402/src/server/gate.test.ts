import { describe, expect, it } from 'vitest'
import {
  BOTH,
  BUNDLE,
  bench,
  challengeOf,
  FREE,
  KEY,
  narrowed,
  PASS,
  passed,
  refused,
} from '../../test/gate-bench.ts'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { decodeBase64, decodeHex, encodeHex } from '../core/bytes.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon } from '../core/macaroon.ts'
import type { Pass } from './gate.ts'
import { keyRing } from './keys.ts'
import { routeTerms } from './route-terms.ts'

describe('what passes', () => {
  it('lets a free route pass without a credential and without a promise', () => {
    const decision = bench().gate.decide({
      method: 'GET',
      path: '/health',
      headers: [],
      clientAddress: '',
      route: FREE,
    })
    expect(decision).toEqual({ outcome: 'pass', entitlement: null })
  })

  it('lets a paid time pass through again and again, without asking the store', async () => {
    const { gate, ledger, ask, buy } = bench()
    const credential = await buy(PASS)
    const first = passed(await ask(PASS, credential))
    expect(first.entitlement?.counted).toBe(false)
    await ledger.close()
    for (let i = 0; i < 5; i++) {
      const decision = gate.decide({
        method: 'GET',
        path: '/forecast/oslo',
        headers: ['authorization', credential],
        clientAddress: '192.0.2.7',
        route: PASS,
      })
      expect(decision).not.toBeInstanceOf(Promise)
      expect((decision as Pass).entitlement?.tokenId).toBe(first.entitlement?.tokenId)
    }
  })

  it('ends a time pass on the second, not a moment later', async () => {
    const self = bench()
    const credential = await self.buy(PASS)
    self.clock += 3_599_999
    passed(await self.ask(PASS, credential))
    self.clock += 1
    expect(refused(await self.ask(PASS, credential))).toMatchObject({ status: 402, reason: 'expired' })
  })

  it('admits exactly the calls of a bundle, and says how many are left', async () => {
    const { ask, buy } = bench()
    const credential = await buy(BUNDLE)
    const left: string[] = []
    for (let i = 0; i < 3; i++) {
      const { entitlement } = passed(await ask(BUNDLE, credential))
      await entitlement?.commit()
      left.push(entitlement?.answerHeaders.join(' ') ?? '')
    }
    expect(left).toEqual([2, 1, 0].map((n) => `RateLimit-Policy "calls";q=3 RateLimit "calls";r=${n}`))
    expect(refused(await ask(BUNDLE, credential))).toMatchObject({ status: 402, reason: 'exhausted' })
  })

  it('holds calls and time together', async () => {
    const self = bench()
    const credential = await self.buy(BOTH)
    await passed(await self.ask(BOTH, credential)).entitlement?.commit()
    self.clock += 60_000
    expect(refused(await self.ask(BOTH, credential)).reason).toBe('expired')
  })

  it('admits no more than the limit under concurrency', async () => {
    const { ask, buy } = bench()
    const credential = await buy(BUNDLE)
    const decisions = await Promise.all(Array.from({ length: 40 }, () => ask(BUNDLE, credential)))
    expect(decisions.filter(({ outcome }) => outcome === 'pass')).toHaveLength(3)
  })

  it('gives a released call back', async () => {
    const { ask, buy } = bench()
    const credential = await buy(BUNDLE)
    for (let i = 0; i < 10; i++) await passed(await ask(BUNDLE, credential)).entitlement?.release()
    for (let i = 0; i < 3; i++) await passed(await ask(BUNDLE, credential)).entitlement?.commit()
    expect(refused(await ask(BUNDLE, credential)).reason).toBe('exhausted')
  })

  it('passes on any valid one of several credentials (V2)', async () => {
    const { ask, buy } = bench()
    const spent = await buy(BUNDLE)
    for (let i = 0; i < 3; i++) await passed(await ask(BUNDLE, spent)).entitlement?.commit()
    const fresh = await buy(BUNDLE)
    const headers = ['Authorization', spent, 'Authorization', fresh]
    passed(await ask(BUNDLE, undefined, { headers }))
  })

  it('accepts what an earlier master key sold, until that key is retired', async () => {
    const before = bench()
    const credential = await before.buy(PASS)
    const newer = { id: 'k2', masterKey: new Uint8Array(32).fill(9), active: true }
    passed(await bench({ keys: keyRing([KEY, newer]) }).ask(PASS, credential))
    const retired = bench({ keys: keyRing([{ ...KEY, active: false }, newer]) })
    expect(refused(await retired.ask(PASS, credential)).reason).toBe('bad_signature')
  })
})

describe('what does not pass', () => {
  it('answers a missing credential as S1 to S6 say', async () => {
    const answer = refused(await bench().ask(PASS))
    expect(answer.status).toBe(402)
    expect(answer.headers[0]).toBe('WWW-Authenticate')
    expect(answer.headers[1]).toMatch(
      /^L402 macaroon="([A-Za-z0-9+/]+=*)", invoice="lnbcrt[^"]+", version="0", token="\1"$/,
    )
    expect(answer.headers).toEqual(expect.arrayContaining(['Cache-Control', 'no-store']))
    const problem = JSON.parse(answer.body)
    const challenge = challengeOf(answer)
    expect(problem).toMatchObject({
      status: 402,
      code: 'missing',
      macaroon: challenge.macaroon,
      invoice: challenge.invoice,
      type: 'urn:turnpike:problem:missing',
      title: 'Payment Required',
      priceSats: 10,
      priceMsat: 10_000,
      expiresAt: decodeInvoice(challenge.invoice).expiresAt,
      offers: [{ scheme: 'L402', service: 'weather', priceSats: 10, grants: { validSeconds: 3600 } }],
    })
    expect(problem.detail).toBeTypeOf('string')
    const { identifier } = decodeMacaroon(decodeBase64(challenge.macaroon) as Uint8Array)
    expect(encodeHex(decodeIdentifier(identifier).paymentHash)).toBe(problem.paymentHash)
  })

  it('answers gRPC with 13, "payment required", all in the headers', async () => {
    const answer = refused(
      await bench().ask(PASS, undefined, { headers: ['content-type', 'application/grpc+proto'] }),
    )
    expect(answer).toMatchObject({ status: 200, grpc: true, body: '' })
    expect(answer.headers.slice(0, 6)).toEqual([
      'Content-Type',
      'application/grpc',
      'grpc-status',
      '13',
      'grpc-message',
      'payment required',
    ])
    expect(answer.headers[6]).toBe('WWW-Authenticate')
  })

  it('does not open a dearer route with what was sold for a cheaper one', async () => {
    const { ask, buy } = bench()
    const credential = await buy(PASS)
    const answer = refused(await ask(BUNDLE, credential))
    expect(answer).toMatchObject({ status: 402, reason: 'caveat_failed' })
    expect(JSON.parse(answer.body).condition).toBe('weather_capabilities')
  })

  it('lets routes share a capability on purpose', async () => {
    const { ask, buy } = bench()
    const first = routeTerms('weather', '/a', { price: '1 sat', grants: { valid: '1h' }, capability: 'read' })
    const second = routeTerms('weather', '/b', {
      price: '1 sat',
      grants: { valid: '1h' },
      capability: 'read',
    })
    passed(await ask(second, await buy(first)))
  })

  it('binds a narrower copy to its caveats, and shares the parent’s count', async () => {
    const { ask, buy } = bench()
    const parent = await buy(BUNDLE)
    const child = narrowed(parent, 'weather_max_calls=2', 'weather_paths=/forecast/*')
    await passed(await ask(BUNDLE, child)).entitlement?.commit()
    await passed(await ask(BUNDLE, child)).entitlement?.commit()
    expect(refused(await ask(BUNDLE, child)).reason).toBe('exhausted')
    expect(refused(await ask(BUNDLE, narrowed(parent, 'weather_paths=/other'))).reason).toBe('caveat_failed')
    await passed(await ask(BUNDLE, parent)).entitlement?.commit()
    expect(refused(await ask(BUNDLE, parent)).reason).toBe('exhausted')
  })

  it('refuses a preimage that is not the invoice’s, and a macaroon of another key', async () => {
    const { ask, buy } = bench()
    const credential = await buy(PASS)
    const forged = `${credential.split(':')[0]}:${'00'.repeat(32)}`
    expect(refused(await ask(PASS, forged)).reason).toBe('bad_preimage')
    const stranger = bench({ keys: keyRing([{ ...KEY, masterKey: new Uint8Array(32).fill(8) }]) })
    expect(refused(await ask(PASS, await stranger.buy(PASS))).reason).toBe('bad_signature')
  })

  it('refuses a revoked credential at once, cached or not, and sells a new one', async () => {
    const { ask, buy, ledger } = bench()
    const credential = await buy(PASS)
    const { entitlement } = passed(await ask(PASS, credential))
    await ledger.revoke({ tokenId: decodeHex(entitlement?.tokenId ?? '') as Uint8Array })
    const answer = refused(await ask(PASS, credential))
    expect(answer.reason).toBe('revoked')
    const { macaroon } = challengeOf(answer)
    const { tokenId } = decodeIdentifier(decodeMacaroon(decodeBase64(macaroon) as Uint8Array).identifier)
    expect(encodeHex(tokenId)).not.toBe(entitlement?.tokenId)
  })

  it('keeps the token id when a used-up credential asks for more (rule 8)', async () => {
    const { ask, buy } = bench()
    const first = await buy(BUNDLE)
    const ids: (string | undefined)[] = []
    for (let i = 0; i < 3; i++) {
      const { entitlement } = passed(await ask(BUNDLE, first))
      await entitlement?.commit()
      ids.push(entitlement?.tokenId)
    }
    const second = await buy(BUNDLE, first)
    const { entitlement } = passed(await ask(BUNDLE, second))
    expect(entitlement?.tokenId).toBe(ids[0])
  })
})
