/** The Payment scheme at the gate itself: bodies, balances, and header lines that no `Headers` object can hold. */

import { describe, expect, it } from 'vitest'
import { type Bench, BUNDLE, bench, METERED, PASS, passed, refused } from '../../../test/gate-bench.ts'
import { decodeHex, encodeHex } from '../../core/bytes.ts'
import { parseCredentials } from '../../core/credential.ts'
import { sha256 } from '../../core/hash.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import { bodyDigest } from '../../core/payment-scheme/digest.ts'
import {
  formatPaymentCredential,
  type PaymentChallenge,
  parsePaymentChallenges,
  parsePaymentReceipt,
} from '../../core/payment-scheme/index.ts'
import { memoryLightning } from '../../lightning/memory.ts'
import { digestsOf } from '../content-digest.ts'
import type { Decision, GateRequest, RouteTerms } from '../gate.ts'
import { routeTerms } from '../route-terms.ts'

const CALL = routeTerms('weather', 'POST /call', { price: '10 sat' })
const BASE = { base: 'https://api.example' }
const ASKS: HeaderLines = ['Accept-Payment', 'lightning/charge']

function text(body: string): Uint8Array {
  return new TextEncoder().encode(body)
}

/** A POST whose body has been read, as a server does where the gate wants that. */
function posting(body: string, headers: HeaderLines = ASKS): Partial<GateRequest> {
  const lines = ['Content-Length', String(text(body).length), ...headers]
  return { ...BASE, method: 'POST', path: '/call', headers: lines, ...digestsOf('', text(body)) }
}

function offeredIn(decision: Decision): readonly PaymentChallenge[] {
  const { headers } = refused(decision)
  const lines = headers.filter((_, i) => headers[i - 1] === 'WWW-Authenticate')
  return parsePaymentChallenges(lines).map(({ doubtful, ...challenge }) => challenge)
}

function problemOf(decision: Decision): string {
  return (JSON.parse(refused(decision).body) as { type: string }).type.replace(/^.*problems\//, '')
}

/** Buys what the request asks for, in the scheme's own envelope. */
async function pay(self: Bench, route: RouteTerms, more: Partial<GateRequest>): Promise<string> {
  const lightning = shops.get(self)
  if (lightning === undefined) throw new Error('expected a bench of openShop')
  const [challenge] = offeredIn(await self.ask(route, undefined, more))
  if (challenge === undefined) throw new Error('expected a Payment challenge')
  const { methodDetails } = JSON.parse(Buffer.from(challenge.request, 'base64url').toString()) as {
    methodDetails: { invoice: string; paymentHash: string }
  }
  const paid = await lightning.pay({
    invoice: methodDetails.invoice,
    paymentHash: decodeHex(methodDetails.paymentHash) as Uint8Array,
    amountMsat: route.priceMsat,
    maxFeeMsat: 0n,
    timeoutMs: 1000,
  })
  if (paid.status !== 'paid') throw new Error(paid.status)
  return formatPaymentCredential({ challenge, payload: { preimage: encodeHex(paid.preimage) } })
}

const shops = new WeakMap<Bench, ReturnType<typeof memoryLightning>>()

function openShop(bindBodies = true): Bench {
  const lightning = memoryLightning({ now: () => self.clock })
  const self: Bench = bench({ bindBodies, lightning }, lightning)
  shops.set(self, lightning)
  return self
}

describe('a body', () => {
  it('is what a challenge for one call is bound to', async () => {
    const [challenge] = offeredIn(await openShop().ask(CALL, undefined, posting('{"city":"Bern"}')))
    expect(challenge?.digest).toBe(bodyDigest(text('{"city":"Bern"}')))
  })

  it('opens with what was paid for it, another one does not, and the credential stays good', async () => {
    const self = openShop()
    const line = await pay(self, CALL, posting('one'))
    const other = await self.ask(CALL, undefined, posting('two', ['Authorization', line]))
    expect(refused(other)).toMatchObject({ status: 402, reason: 'caveat_failed' })
    expect(problemOf(other)).toBe('verification-failed')
    const { bodyDigest: _, ...unread } = posting('one', ['Authorization', line])
    expect(refused(await self.ask(CALL, undefined, unread)).reason).toBe('caveat_failed')
    const { entitlement } = passed(await self.ask(CALL, undefined, posting('one', ['Authorization', line])))
    await entitlement?.serve()
    await entitlement?.commit({})
    expect(problemOf(await self.ask(CALL, undefined, posting('one', ['Authorization', line])))).toBe(
      'lightning/unknown-challenge',
    )
  })

  it('binds nothing that buys several calls, and nothing where the gate is not told to', async () => {
    const bound = async (self: Bench, route: RouteTerms): Promise<unknown> =>
      offeredIn(await self.ask(route, undefined, posting('x')))[0]?.digest
    const self = openShop()
    expect(await Promise.all([BUNDLE, METERED, PASS].map((route) => bound(self, route)))).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    expect(await bound(openShop(false), CALL)).toBeUndefined()
  })

  it.each<[string, boolean, Partial<GateRequest>]>([
    ['of a short request that asks for the scheme', true, {}],
    ['of a GET', false, { method: 'GET' }],
    ['that is not there', false, { headers: ['Content-Length', '0', ...ASKS] }],
    ['of a length nobody knows', false, { headers: ['Transfer-Encoding', 'chunked', ...ASKS] }],
    ['of more than 64 KiB', false, { headers: ['Content-Length', '65537', ...ASKS] }],
    ['of a length that is none', false, { headers: ['Content-Length', '1e3', ...ASKS] }],
    [
      'of who waits for 100 Continue',
      false,
      { headers: ['Content-Length', '1', 'Expect', '100-continue', ...ASKS] },
    ],
    ['of who does not ask for the scheme', false, { headers: ['Content-Length', '1'] }],
    ['over plain HTTP', false, { base: 'http://api.example' }],
    ['of gRPC', false, { headers: ['Content-Length', '5', 'Content-Type', 'application/grpc', ...ASKS] }],
    ['of a bundle', false, { route: BUNDLE }],
    ['of a free route', false, { route: routeTerms('weather', '/health', { free: true }) }],
  ])('is read before the answer, or not: %s', async (_, wanted, more) => {
    const { gate } = openShop()
    const request = { ...posting('x'), clientAddress: '192.0.2.7', route: CALL, ...more } as GateRequest
    expect(gate.wantsDigest(request)).toBe(wanted)
  })

  it('is read for a credential that is bound to it, and for no other', async () => {
    const self = openShop()
    const asked = (line: string): GateRequest =>
      ({ ...posting('x', ['Authorization', line]), clientAddress: '192.0.2.7', route: CALL }) as GateRequest
    expect(self.gate.wantsDigest(asked(await pay(self, CALL, posting('x'))))).toBe(true)
    expect(self.gate.wantsDigest(asked(await pay(self, BUNDLE, posting('x'))))).toBe(false)
    expect(self.gate.wantsDigest(asked(await self.buy(CALL, undefined, posting('x'))))).toBe(false)
    expect(self.gate.wantsDigest(asked('Payment e30'))).toBe(false)
  })
})

describe('an answer that is sent again (protocol §5 rule 10)', () => {
  it('has a receipt as the first one had, where it is a success, and no shared cache keeps it', async () => {
    const self = openShop()
    const line = await pay(self, BUNDLE, posting('x'))
    for (const status of [201, 404]) {
      const keyed = posting('x', ['Authorization', line, 'Idempotency-Key', `k-${status}`])
      const { entitlement } = passed(await self.ask(BUNDLE, undefined, keyed))
      const headers = ['Cache-Control', 'max-age=60', 'X-A', 'b']
      await entitlement?.commit({ answer: { status, headers, body: text('made') } })
      const again = await self.ask(BUNDLE, undefined, keyed)
      if (again.outcome !== 'replay') throw new Error(again.outcome)
      const told = new Headers(
        again.answer.headers.flatMap((name, i, all) => (i % 2 ? [] : [[name, all[i + 1] ?? '']])) as [
          string,
          string,
        ][],
      )
      const receipt = parsePaymentReceipt(told.get('payment-receipt') ?? '')
      expect(receipt?.reference).toBe(status === 201 ? entitlement?.paymentHash : undefined)
      expect(told.get('cache-control')).toBe(status === 201 ? 'private' : 'max-age=60')
      expect([told.get('x-a'), told.get('idempotency-replayed')]).toEqual(['b', 'true'])
    }
  })
})

describe('a balance', () => {
  it('is told for a credential of the scheme as for the L402 one of the same invoice', async () => {
    const self = openShop()
    for (const route of [BUNDLE, METERED, PASS]) {
      const line = await pay(self, route, posting('x'))
      const told = await self.gate.balance(['Authorization', line], BASE)
      expect(told).toMatchObject({ outcome: 'balance', services: [{ service: 'weather', usable: true }] })
    }
  })

  it('counts what was used, whichever of the two was presented, and uses nothing itself', async () => {
    const self = openShop()
    const line = await pay(self, BUNDLE, posting('x'))
    const left = async (): Promise<unknown> => {
      const told = await self.gate.balance(['Authorization', line], BASE)
      return told.outcome === 'balance' ? told.services[0]?.budgets[0]?.left : told.reason
    }
    expect([await left(), await left()]).toEqual([3n, 3n])
    const { entitlement } = passed(await self.ask(BUNDLE, undefined, posting('x', ['Authorization', line])))
    await entitlement?.serve()
    await entitlement?.commit({})
    expect(await left()).toBe(2n)
  })

  it('is told after the challenge has ended, and for a charge that is bound to a body', async () => {
    const self = openShop()
    const line = await pay(self, CALL, posting('x'))
    self.clock += 3_600_000
    expect(await self.gate.balance(['Authorization', line], BASE)).toMatchObject({
      services: [{ usable: true, budgets: [{ left: 1n }] }],
    })
  })

  it.each<[string, string, (line: string) => HeaderLines, string | undefined]>([
    ['over plain HTTP', 'missing', (line) => ['Authorization', line], 'http://api.example'],
    ['where nobody knows how it came', 'missing', (line) => ['Authorization', line], undefined],
    [
      'for a challenge of another server',
      'bad_signature',
      (line) => ['Authorization', altered(line)],
      BASE.base,
    ],
    ['for two at once', 'malformed', (line) => ['Authorization', line, 'Authorization', line], BASE.base],
    ['for what is none', 'malformed', () => ['Authorization', 'Payment e30'], BASE.base],
  ])('is not told %s', async (_, reason, lines, base) => {
    const self = openShop()
    const line = await pay(self, BUNDLE, posting('x'))
    const told = await self.gate.balance(lines(line), base === undefined ? {} : { base })
    expect(told).toMatchObject({ outcome: 'refuse', status: 401, reason })
    expect(JSON.stringify(told)).not.toContain(line.slice(-40))
  })

  it('is told for the L402 credential beside it, if there is one', async () => {
    const self = openShop()
    const l402 = await self.buy(BUNDLE)
    const told = await self.gate.balance(['Authorization', l402, 'Authorization', 'Payment e30'], BASE)
    expect(told.outcome).toBe('balance')
  })
})

/** The same credential with another realm. */
function altered(line: string): string {
  const json = Buffer.from(line.slice('Payment '.length), 'base64url').toString()
  return `Payment ${Buffer.from(json.replace('api.example', 'b.example')).toString('base64url')}`
}

describe('header lines', () => {
  it('of Accept-Payment are one list, however many there are (RFC 9110 §5.3)', async () => {
    const offers = async (...values: string[]): Promise<number> => {
      const headers = values.flatMap((value) => ['accept-payment', value])
      return offeredIn(await openShop().ask(PASS, undefined, { ...BASE, headers })).length
    }
    expect(await offers('tempo/charge', 'lightning/charge')).toBe(1)
    expect(await offers('tempo/charge')).toBe(0)
    expect(await offers('lightning/charge', 'lightning/charge;q=0')).toBe(0)
    expect(await offers(...Array.from({ length: 5_000 }, () => 'lightning/charge;q=0'))).toBe(1)
  })

  it('with a credential of each scheme open by the L402 one alone', async () => {
    const self = openShop()
    const l402 = await self.buy(BUNDLE)
    const payment = await pay(self, BUNDLE, posting('x'))
    const both = posting('x', ['Authorization', payment, 'Authorization', l402])
    const pass = passed(await self.ask(BUNDLE, undefined, both))
    const { credentials } = parseCredentials(['Authorization', l402]) as {
      credentials: readonly { preimage: Uint8Array }[]
    }
    expect(pass.entitlement?.paymentHash).toBe(
      encodeHex(sha256(credentials[0]?.preimage ?? new Uint8Array())),
    )
    expect(pass.entitlement?.answerHeaders).not.toContain('Payment-Receipt')
  })
})
