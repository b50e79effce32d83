import { describe, expect, it } from 'vitest'
import { decodeHex, encodeHex } from '../../core/bytes.ts'
import { findL402Challenges } from '../../core/challenge.ts'
import { formatCredential } from '../../core/credential.ts'
import {
  decodeJsonObject,
  encodeJson,
  formatPaymentCredential,
  type JsonObject,
  type PaymentChallenge,
  parsePaymentChallenges,
  parsePaymentReceipt,
} from '../../core/payment-scheme/index.ts'
import { memoryLightning } from '../../lightning/memory.ts'
import { memoryStore } from '../../stores/memory/index.ts'
import { type PaywallRoute, paywall } from '../paywall.ts'

const keys = [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }]
const ROUTES: readonly PaywallRoute[] = [
  { match: 'GET /call', price: '10 sat' },
  { match: 'GET /bundle', price: '10 sat', grants: { calls: 2 } },
  { match: 'GET /pass', price: '10 sat', grants: { valid: '1h' } },
  { match: 'GET /odd', price: '1500 msat' },
]
const HOST = 'https://api.example'

function shop(more: { readonly payment?: 'asked' | 'off'; readonly network?: 'regtest' | 'testnet' } = {}) {
  const self = { clock: 1_800_000_000_000 }
  const now = (): number => self.clock
  const { network = 'regtest', payment = 'always' } = more
  const lightning = memoryLightning({ network, now })
  const gate = paywall({
    lightning,
    store: memoryStore(),
    keys,
    services: { weather: { routes: ROUTES } },
    now,
    payment,
  })
  async function ask(
    path: string,
    headers: Record<string, string> = {},
    host = HOST,
    status = 200,
  ): Promise<Response> {
    const result = await gate(new Request(host + path, { headers }))
    if (result.outcome === 'refuse') return result.response
    const headersOf = { 'Cache-Control': 'public, max-age=60' }
    return result.serve(() => new Response('sunny', { status, headers: headersOf }))
  }
  async function challenge(path: string): Promise<PaymentChallenge> {
    const [found] = await offered(await ask(path))
    if (found === undefined) throw new Error('expected a Payment challenge')
    return found
  }
  /** Pays a challenge and answers its credential's line. */
  async function pay(challenged: PaymentChallenge): Promise<{ line: string; preimage: string }> {
    const { invoice, paymentHash } = (decodeJsonObject(challenged.request)?.['methodDetails'] ??
      {}) as JsonObject
    const paid = await lightning.pay({
      invoice: String(invoice),
      paymentHash: decodeHex(String(paymentHash)) as Uint8Array,
      amountMsat: 10_000n,
      maxFeeMsat: 0n,
      timeoutMs: 1000,
    })
    if (paid.status !== 'paid') throw new Error(paid.status)
    const preimage = encodeHex(paid.preimage)
    return { line: formatPaymentCredential({ challenge: challenged, payload: { preimage } }), preimage }
  }
  return Object.assign(self, { ask, challenge, pay })
}

async function offered(response: Response): Promise<readonly PaymentChallenge[]> {
  return parsePaymentChallenges([response.headers.get('www-authenticate') ?? '']).map(
    ({ doubtful, ...challenge }) => challenge,
  )
}

async function problem(response: Response): Promise<{ status: number; type: string; code: string }> {
  return (await response.json()) as { status: number; type: string; code: string }
}

const TYPES = 'https://paymentauth.org/problems/'

describe('what is offered', () => {
  it('stands after the L402 challenge, for the same invoice (S3, protocol §6)', async () => {
    const response = await shop().ask('/call')
    const value = response.headers.get('www-authenticate') ?? ''
    expect(value.startsWith('L402 ')).toBe(true)
    const [l402] = findL402Challenges([value])
    const [payment] = await offered(response)
    expect(payment).toMatchObject({ method: 'lightning', intent: 'charge', realm: 'api.example' })
    const request = decodeJsonObject(payment?.request ?? '')
    expect(request).toMatchObject({ amount: '10', currency: 'sat' })
    expect(request?.['methodDetails']).toMatchObject({ invoice: l402?.invoice, network: 'regtest' })
    expect(decodeJsonObject(payment?.opaque ?? '')).toEqual({
      macaroon: l402?.macaroon,
      route: 'GET /call',
      service: 'weather',
    })
    const { expiresAt } = (await response.json()) as { expiresAt: number }
    expect(Date.parse(payment?.expires ?? '')).toBe(expiresAt * 1000)
  })

  it('is a problem of the scheme where nothing was presented (P-S 7), and of L402 where the scheme is not offered', async () => {
    const self = shop()
    expect(await problem(await self.ask('/call'))).toMatchObject({
      type: `${TYPES}payment-required`,
      code: 'missing',
    })
    const plain = [
      await self.ask('/call', {}, 'http://api.example'),
      await self.ask('/call', { 'accept-payment': 'tempo/charge' }),
      await self.ask('/odd'),
    ]
    for (const response of plain)
      expect(await problem(response)).toMatchObject({ type: 'urn:turnpike:problem:missing', code: 'missing' })
    // What an L402 credential lacks is told in the words of L402.
    const refused = await self.ask('/call', { authorization: `L402 AA:${'0'.repeat(64)}` })
    expect(await offered(refused)).toHaveLength(1)
    expect(await problem(refused)).toMatchObject({ type: 'urn:turnpike:problem:malformed' })
  })

  it.each([
    ['over plain HTTP', '/call', {}, 'http://api.example'],
    ['for a price that is no whole satoshi', '/odd', {}, HOST],
    ['to who will not have it', '/call', { 'accept-payment': 'lightning/charge;q=0, */*' }, HOST],
    ['to who wants something else', '/call', { 'accept-payment': 'tempo/charge' }, HOST],
  ] as const)('is nothing %s', async (_, path, headers, host) => {
    expect(await offered(await shop().ask(path, headers, host))).toEqual([])
  })

  it.each(['http://127.0.0.1:8402', 'http://localhost:1', 'http://[::1]:1'])(
    'is there on this machine: %s',
    async (host) => {
      expect(await offered(await shop().ask('/call', {}, host))).toHaveLength(1)
    },
  )

  it.each([
    ['a weight of nothing, however it is written', 'lightning/charge; Q=0.000', 0],
    ['a weight that is none', 'lightning/charge;q=2, tempo/charge', 0],
    ['a weight with a sign', 'lightning/charge;q=-1, tempo/charge', 0],
    ['a weight with four decimals', 'lightning/charge;q=0.0001, tempo/charge', 0],
    ['a weight in letters, and another range that lets it in', 'lightning/charge;q=NaN, */*;q=0.001', 1],
    ['the more exact range, against a wider one', '*/*, lightning/*;q=0', 0],
    ['the more exact range, whatever its place', 'lightning/charge;q=0.5, lightning/*;q=0', 1],
    ['capitals', 'LIGHTNING/CHARGE;q=0', 0],
    ['quotes and commas in a parameter', 'lightning/charge;x="a,b";q=0, x', 1],
    ['a flood of ranges', `${'a/b,'.repeat(5_000)}lightning/charge;q=0`, 1],
    ['a flood of parameters', `lightning/charge${';x=1'.repeat(900)};q=0`, 0],
    ['names of properties', '__proto__/constructor, toString/valueOf', 0],
  ])('reads %s', async (_, value, times) => {
    expect(await offered(await shop().ask('/call', { 'accept-payment': value }))).toHaveLength(times)
  })

  it.each(['lightning/charge', 'lightning/*;q=0.1', '*/*', 'x', '', 'lightning/session, */*;q=0.1'])(
    'is there for Accept-Payment: %s',
    async (value) => {
      expect(await offered(await shop().ask('/call', { 'accept-payment': value }))).toHaveLength(1)
    },
  )

  it('is there for whoever asks, where that is how it is set', async () => {
    const { ask } = shop({ payment: 'asked' })
    expect(await offered(await ask('/call'))).toEqual([])
    expect(await offered(await ask('/call', { 'accept-payment': 'lightning/charge' }))).toHaveLength(1)
  })

  it('is nothing where it is turned off, or the network has no name in it', async () => {
    expect(await offered(await shop({ payment: 'off' }).ask('/call'))).toEqual([])
    expect(await offered(await shop({ network: 'testnet' }).ask('/call'))).toEqual([])
  })
})

describe('a credential', () => {
  it('opens what it paid for, once, with a receipt that no shared cache keeps', async () => {
    const { ask, challenge, pay } = shop()
    const challenged = await challenge('/call')
    const { line, preimage } = await pay(challenged)
    const response = await ask('/call', { authorization: line })
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('private')
    const receipt = parsePaymentReceipt(response.headers.get('payment-receipt') ?? '')
    const { paymentHash } = (decodeJsonObject(challenged.request)?.['methodDetails'] ?? {}) as JsonObject
    expect(receipt).toMatchObject({ status: 'success', reference: paymentHash, challengeId: challenged.id })
    expect(JSON.stringify([...response.headers])).not.toContain(preimage)
    const again = await ask('/call', { authorization: line })
    expect(again.status).toBe(402)
    expect(await offered(again)).toHaveLength(1)
    expect(await problem(again)).toMatchObject({
      code: 'exhausted',
      type: `${TYPES}lightning/unknown-challenge`,
    })
  })

  it('opens joined with another scheme in one line, as fetch joins lines (V2); two of them are refused', async () => {
    const gate = shop()
    const { line } = await gate.pay(await gate.challenge('/call'))
    const twice = await gate.ask('/call', { authorization: `${line}, ${line}` })
    expect([twice.status, (await problem(twice)).code]).toEqual([402, 'malformed'])
    const quoted = await gate.ask('/call', { authorization: 'Digest a="b, Payment x"' })
    expect([quoted.status, (await problem(quoted)).code]).toEqual([402, 'missing'])
    const opened = await gate.ask('/call', { authorization: `Bearer x, ${line}` })
    expect([opened.status, opened.headers.has('payment-receipt')]).toEqual([200, true])
  })

  it('draws from the same entitlement as the L402 credential of its invoice', async () => {
    const { ask, challenge, pay } = shop()
    const challenged = await challenge('/bundle')
    const { line, preimage } = await pay(challenged)
    const { macaroon } = decodeJsonObject(challenged.opaque ?? '') as { macaroon: string }
    const l402 = formatCredential(macaroon, decodeHex(preimage) as Uint8Array)
    expect((await ask('/bundle', { authorization: line })).headers.get('ratelimit')).toBe('"calls";r=1')
    const second = await ask('/bundle', { authorization: l402 })
    expect(second.headers.get('ratelimit')).toBe('"calls";r=0')
    expect(second.headers.get('payment-receipt')).toBeNull()
    expect((await ask('/bundle', { authorization: line })).status).toBe(402)
  })

  it('opens beside an L402 credential that does not', async () => {
    const gate = shop()
    const { line } = await gate.pay(await gate.challenge('/call'))
    const spent = { Macaroon: '02'.repeat(60) }
    const opened = await gate.ask('/call', { ...spent, Authorization: line })
    expect([opened.status, opened.headers.has('payment-receipt')]).toEqual([200, true])
    const again = await gate.ask('/call', { ...spent, Authorization: line })
    expect([again.status, (await again.json()).code]).toEqual([402, 'exhausted'])
  })

  it('has no receipt beside an answer that is no success, and is given back for a failure', async () => {
    const { ask, challenge, pay } = shop()
    const { line } = await pay(await challenge('/bundle'))
    const failed = await ask('/bundle', { authorization: line }, HOST, 500)
    expect([failed.status, failed.headers.get('payment-receipt')]).toEqual([500, null])
    const gone = await ask('/bundle', { authorization: line }, HOST, 404)
    expect(gone.headers.get('payment-receipt')).toBeNull()
    expect(gone.headers.get('cache-control')).toBe('public, max-age=60')
    expect(gone.headers.get('ratelimit')).toBe('"calls";r=1')
  })

  it('of one call ends with its challenge; of a pass with the pass', async () => {
    const self = shop()
    const call = await self.pay(await self.challenge('/call'))
    const pass = await self.pay(await self.challenge('/pass'))
    self.clock += 601_000
    const late = await self.ask('/call', { authorization: call.line })
    expect(await problem(late)).toMatchObject({ status: 402, type: `${TYPES}payment-expired` })
    expect((await self.ask('/pass', { authorization: pass.line })).status).toBe(200)
    self.clock += 3_600_000
    expect(await problem(await self.ask('/pass', { authorization: pass.line }))).toMatchObject({
      code: 'expired',
    })
  })

  it('does not open another route, nor in plain HTTP', async () => {
    const { ask, challenge, pay } = shop()
    const { line } = await pay(await challenge('/bundle'))
    const elsewhere = await ask('/pass', { authorization: line })
    expect(await problem(elsewhere)).toMatchObject({ status: 402, type: `${TYPES}verification-failed` })
    expect(await problem(await ask('/bundle', { authorization: line }, 'http://api.example'))).toMatchObject({
      code: 'missing',
    })
  })

  it('is refused by name when anything in it was changed', async () => {
    const { ask, challenge, pay } = shop()
    const challenged = await challenge('/bundle')
    const { preimage } = await pay(challenged)
    const other = await challenge('/pass')
    const asked = async (value: unknown): Promise<string> => {
      const line = typeof value === 'string' ? value : `Payment ${encodeJson(value as JsonObject)}`
      const response = await ask('/bundle', { authorization: line })
      expect(response.status).toBe(402)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await offered(response)).toHaveLength(1)
      return (await problem(response)).type.replace(TYPES, '')
    }
    const payload = { preimage }
    const echo = { ...challenged }
    expect(await asked({ challenge: { ...echo, realm: 'b.example' }, payload })).toBe(
      'lightning/unknown-challenge',
    )
    expect(await asked({ challenge: { ...echo, intent: 'session' }, payload })).toBe(
      'lightning/unknown-challenge',
    )
    expect(await asked({ challenge: { ...echo, expires: '2099-01-01T00:00:00Z' }, payload })).toBe(
      'lightning/unknown-challenge',
    )
    expect(await asked({ challenge: { ...echo, opaque: other.opaque ?? '' }, payload })).toBe(
      'lightning/unknown-challenge',
    )
    expect(await asked({ challenge: { ...echo, id: other.id }, payload })).toBe('lightning/unknown-challenge')
    expect(await asked({ challenge: { ...other }, payload })).toBe('lightning/invalid-preimage')
    expect(await asked({ challenge: echo, payload: { preimage: '00'.repeat(32) } })).toBe(
      'lightning/invalid-preimage',
    )
    expect(await asked({ challenge: echo, payload: { preimage: 'zz' } })).toBe(
      'lightning/malformed-credential',
    )
    expect(await asked({ challenge: echo, payload: {} })).toBe('lightning/malformed-credential')
    expect(await asked('Payment {}')).toBe('lightning/malformed-credential')
    expect(await asked(`Payment ${'A'.repeat(20_000)}`)).toBe('lightning/malformed-credential')
    // Unknown members, padding and the scheme's case are nobody's fault.
    const padded = encodeJson({
      challenge: { ...echo, description: 'x' },
      payload,
      extra: [1],
    } as unknown as JsonObject)
    const line = `payment ${padded.padEnd(Math.ceil(padded.length / 4) * 4, '=')}`
    expect((await ask('/bundle', { authorization: line })).status).toBe(200)
  })
})
