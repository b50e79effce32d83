import { attenuateMacaroon, decodeInvoice, decodeMacaroon, encodeMacaroon } from '@turnpike/l402'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, open, type Response, readAll, statusesIn } from './client.ts'
import { type Bought, buy, challengeOf, cleanUp, type Program, pay, start } from './program.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let gateway: Program
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await start({
    upstream: upstream.origin,
    routes: [
      '{ match: "/free/*", free: true }',
      '{ match: "/pass/*", price: 10 sat, grants: { valid: 1h } }',
      '{ match: "/paid/*", price: 1500 msat, grants: { calls: 3 }, memo: Three calls }',
      '{ match: "/both/*", price: 1 sat, grants: { calls: 2, valid: 1h } }',
      '{ match: "/once", price: 2 sat }',
    ],
  })
})
beforeEach(() => upstream.forget())
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

// protocol S2, byte for byte; base64 with padding (S4).
const S2 =
  /^L402 macaroon="((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)", invoice="(lnbcrt[0-9a-z]+)", version="0", token="\1"$/

const get = (path: string, headers: Record<string, string | string[]> = {}): Promise<Response> =>
  ask(gateway.url, 'GET', path, { headers })

const using = async (authorization: string, path: string): Promise<number> =>
  (await get(path, { Authorization: authorization })).status

/** A narrower copy of a credential, as base64. */
function narrowed({ macaroon }: Bought, ...caveats: string[]): Buffer {
  const bytes = decodeMacaroon(Buffer.from(macaroon, 'base64'))
  return Buffer.from(encodeMacaroon(attenuateMacaroon(bytes, caveats)))
}

describe('a purchase by plain HTTP', () => {
  it.each(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH'])(
    '%s without a credential is 402 with one exact challenge, and the upstream hears nothing of it (S1–S8)',
    async (method) => {
      const refused = await ask(gateway.url, method, '/paid/x?q=1')
      expect(refused.status).toBe(402)
      expect(refused.all('www-authenticate')).toHaveLength(1)
      expect(refused.header('www-authenticate')).toMatch(S2)
      expect(refused.header('cache-control')).toBe('no-store')
      expect(refused.header('content-type')).toBe('application/problem+json')
      const { macaroon, invoice, paymentHash } = challengeOf(refused)
      const facts = decodeInvoice(invoice)
      expect(facts.amountMsat).toBe(1500n)
      expect(facts.description).toBe('Three calls')
      expect(Buffer.from(facts.paymentHash).toString('hex')).toBe(paymentHash)
      if (method === 'HEAD') expect(refused.body).toBe('')
      else {
        const { detail, ...body } = JSON.parse(refused.body)
        expect(detail).toEqual(expect.any(String))
        expect(body).toEqual({
          type: 'urn:turnpike:problem:missing',
          title: 'Payment Required',
          status: 402,
          code: 'missing',
          macaroon,
          invoice,
          priceSats: 2,
          priceMsat: 1500,
          paymentHash,
          expiresAt: facts.expiresAt,
          offers: [
            {
              scheme: 'L402',
              service: 'demo',
              route: '/paid/*',
              priceSats: 2,
              priceMsat: 1500,
              grants: { calls: 3 },
            },
          ],
        })
      }
      expect(upstream.bytes()).toBe('')
    },
  )

  it('a bundle is used up to the last call; then 402 again, whose credential keeps the token id (rule 8)', async () => {
    const bundle = await buy(gateway, '/paid/x')
    const left: string[] = []
    for (let call = 0; call < 3; call++) {
      const answer = await get('/paid/x', { Authorization: bundle.authorization })
      expect(answer.status).toBe(200)
      expect(answer.header('ratelimit-policy')).toBe('"calls";q=3')
      left.push(answer.header('ratelimit'))
    }
    expect(left).toEqual(['"calls";r=2', '"calls";r=1', '"calls";r=0'])
    expect(upstream.seen).toHaveLength(3)
    expect(upstream.seen[0]?.headers).toMatchObject({
      'x-l402-token-id': bundle.tokenId,
      'x-l402-payment-hash': bundle.paymentHash,
      'x-l402-service': 'demo',
    })
    expect(upstream.bytes()).not.toMatch(/authorization/i)

    const exhausted = await get('/paid/x', { Authorization: bundle.authorization })
    expect(exhausted.status).toBe(402)
    expect(JSON.parse(exhausted.body)).toMatchObject({ code: 'exhausted', condition: 'demo_max_calls' })
    const again = challengeOf(exhausted)
    expect(again.tokenId).toBe(bundle.tokenId)
    expect(again.paymentHash).not.toBe(bundle.paymentHash)
    const preimage = await pay(gateway.admin, again.invoice)
    expect(await using(`L402 ${again.macaroon}:${preimage}`, '/paid/x')).toBe(200)
    expect(await using(bundle.authorization, '/paid/x')).toBe(402)
    expect(upstream.seen).toHaveLength(4)
  })

  it('a pass opens its route as often as wanted, HEAD too, and no other route', async () => {
    const pass = await buy(gateway, '/pass/x')
    for (const path of ['/pass/x', '/pass/y', '/pass/x'])
      expect(await using(pass.authorization, path)).toBe(200)
    const headers = { Authorization: pass.authorization }
    expect((await ask(gateway.url, 'HEAD', '/pass/x', { headers })).status).toBe(200)
    for (const path of ['/paid/x', '/once', '/both/x'])
      expect(await using(pass.authorization, path)).toBe(402)
    const elsewhere = await get('/paid/x', headers)
    expect(JSON.parse(elsewhere.body).code).toBe('caveat_failed')
    expect(upstream.seen).toHaveLength(4)
  })

  it('calls within a time: both bounds stand in the credential; no grant is one call', async () => {
    const both = await buy(gateway, '/both/x')
    expect(await using(both.authorization, '/both/x')).toBe(200)
    const ended = narrowed(both, 'demo_valid_until=1700000000').toString('base64')
    const late = await get('/both/x', { Authorization: `L402 ${ended}:${both.preimage}` })
    expect(JSON.parse(late.body).code).toBe('expired')
    expect(challengeOf(late).tokenId).toBe(both.tokenId)
    expect(await using(both.authorization, '/both/x')).toBe(200)
    expect(await using(both.authorization, '/both/x')).toBe(402)
    const once = await buy(gateway, '/once')
    expect(await using(once.authorization, '/once')).toBe(200)
    expect(await using(once.authorization, '/once')).toBe(402)
  })

  it('HEAD uses a call as GET does (S8); OPTIONS and 404 use none', async () => {
    const bundle = await buy(gateway, '/paid/x')
    const headers = { Authorization: bundle.authorization }
    expect((await ask(gateway.url, 'HEAD', '/paid/x', { headers })).status).toBe(200)
    expect((await ask(gateway.url, 'OPTIONS', '/paid/x', { headers })).status).toBe(204)
    expect((await get('/nowhere', headers)).status).toBe(404)
    expect((await get('/free/x', headers)).status).toBe(200)
    const next = await get('/paid/x', headers)
    expect([next.status, next.header('ratelimit')]).toEqual([200, '"calls";r=1'])
  })

  it('narrowed copies share the budget, and none opens more than its parent', async () => {
    const parent = await buy(gateway, '/paid/x')
    const child = (...caveats: string[]): string =>
      `L402 ${narrowed(parent, ...caveats).toString('base64')}:${parent.preimage}`
    expect(await using(child('demo_paths=/paid/a'), '/paid/b')).toBe(402)
    expect(await using(child('demo_paths=/paid/a'), '/paid/a')).toBe(200)
    expect(await using(child('demo_max_calls=1'), '/paid/x')).toBe(200)
    expect(await using(child('demo_max_calls=1'), '/paid/x')).toBe(402)
    for (const widening of [
      'demo_max_calls=9',
      'services=demo:0,other:0',
      'demo_capabilities=/pass/*',
      'demo_max_calls= 1',
    ]) {
      expect(await using(child(widening), '/paid/x')).toBe(402)
    }
    expect(await using(parent.authorization, '/paid/x')).toBe(200)
    for (const copy of [parent.authorization, child('demo_max_calls=2'), child('x=y')])
      expect(await using(copy, '/paid/x')).toBe(402)
    expect(upstream.seen).toHaveLength(3)
  })
})

describe('a credential is read as every known client writes it (V1–V6)', () => {
  let pass: Bought
  beforeAll(async () => {
    pass = await buy(gateway, '/pass/x')
  })

  /** Header lines by hand: names repeat, and nothing is joined or trimmed on the way. */
  async function lines(...headers: string[]): Promise<number | undefined> {
    const socket = open(gateway.port)
    socket.write(['GET /pass/x HTTP/1.1', 'Host: a', 'Connection: close', ...headers, '', ''].join('\r\n'))
    return statusesIn(await readAll(socket))[0]
  }

  it.each<[string, (bought: Bought) => string[]]>([
    ['L402', (b) => [`Authorization: L402 ${b.macaroon}:${b.preimage}`]],
    ['lower case', (b) => [`authorization: l402 ${b.macaroon}:${b.preimage}`]],
    ['LSAT', (b) => [`Authorization: LSAT ${b.macaroon}:${b.preimage}`]],
    ['several spaces', (b) => [`Authorization:   LsAt    ${b.macaroon}:${b.preimage}  `]],
    ['upper-case preimage', (b) => [`Authorization: L402 ${b.macaroon}:${b.preimage.toUpperCase()}`]],
    ['no scheme', (b) => [`Authorization: ${b.macaroon}:${b.preimage}`]],
    ['url-safe', (b) => [`Authorization: L402 ${urlSafe(b.macaroon)}:${b.preimage}`]],
    ['no padding', (b) => [`Authorization: L402 ${b.macaroon.replaceAll('=', '')}:${b.preimage}`]],
    [
      'url-safe without padding',
      (b) => [`Authorization: L402 ${urlSafe(b.macaroon).replaceAll('=', '')}:${b.preimage}`],
    ],
    [
      'LSAT and L402 lines',
      (b) => [
        `Authorization: LSAT ${b.macaroon}:${b.preimage}`,
        `Authorization: L402 ${b.macaroon}:${b.preimage}`,
      ],
    ],
    [
      'a broken line, then a good one',
      (b) => ['Authorization: LSAT AAAA:00', `Authorization: L402 ${b.macaroon}:${b.preimage}`],
    ],
    ['Bearer, then L402, joined', (b) => [`Authorization: Bearer abc.def, L402 ${b.macaroon}:${b.preimage}`]],
    [
      'Bearer and L402 lines',
      (b) => ['Authorization: Bearer abc', `Authorization: L402 ${b.macaroon}:${b.preimage}`],
    ],
    ['L402, then Basic, joined', (b) => [`Authorization: L402 ${b.macaroon}:${b.preimage}, Basic YTpi`]],
    ['hex with a preimage caveat (V3)', (b) => [`Macaroon: ${withPreimage(b).toString('hex')}`]],
    [
      'the same beside Bearer',
      (b) => ['Authorization: Bearer abc', `Macaroon: ${withPreimage(b).toString('hex').toUpperCase()}`],
    ],
    ['Grpc-Metadata-Macaroon', (b) => [`Grpc-Metadata-Macaroon: ${withPreimage(b).toString('hex')}`]],
    ['token metadata', (b) => [`token: ${withPreimage(b).toString('hex')}`]],
    [
      'caveat and suffix (V4)',
      (b) => [`Authorization: L402 ${withPreimage(b).toString('base64')}:${b.preimage}`],
    ],
    [
      'several tokens (V5)',
      (b) => [`Authorization: L402 ${urlSafe(b.macaroon)},${b.macaroon}:${b.preimage}`],
    ],
  ])('%s', async (_, headers) => {
    expect(await lines(...headers(pass))).toBe(200)
    const bytes = upstream.bytes()
    expect(bytes).not.toContain(pass.preimage)
    expect(bytes).not.toContain(pass.macaroon.slice(-40))
    expect(bytes).not.toMatch(/macaroon/i)
  })

  it.each<[string, (bought: Bought) => string[]]>([
    ['nothing', () => ['Authorization: ']],
    ['the scheme alone', () => ['Authorization: L402']],
    ['no preimage', (b) => [`Authorization: L402 ${b.macaroon}`]],
    ['an empty preimage', (b) => [`Authorization: L402 ${b.macaroon}:`]],
    ['a short preimage', (b) => [`Authorization: L402 ${b.macaroon}:${b.preimage.slice(2)}`]],
    ['a long preimage', (b) => [`Authorization: L402 ${b.macaroon}:${b.preimage}00`]],
    ['another preimage', (b) => [`Authorization: L402 ${b.macaroon}:${'0'.repeat(64)}`]],
    ['a preimage of other letters', (b) => [`Authorization: L402 ${b.macaroon}:${'g'.repeat(64)}`]],
    [
      'two preimages that differ (V4)',
      (b) => [`Authorization: L402 ${withPreimage(b).toString('base64')}:${'0'.repeat(64)}`],
    ],
    [
      'bytes after the macaroon',
      (b) => [
        `Authorization: L402 ${Buffer.concat([Buffer.from(b.macaroon, 'base64'), Buffer.of(0)]).toString('base64')}:${b.preimage}`,
      ],
    ],
    ['one bit flipped', (b) => [`Authorization: L402 ${flipped(b).toString('base64')}:${b.preimage}`]],
    ['another scheme', (b) => [`Authorization: Bearer ${b.macaroon}:${b.preimage}`]],
    [
      'a hex macaroon without a preimage',
      (b) => [`Macaroon: ${Buffer.from(b.macaroon, 'base64').toString('hex')}`],
    ],
    ['letters outside ASCII', (b) => [`Authorization: L402 ${b.macaroon}\xff:${b.preimage}`]],
    ['a token of 16 KiB', () => [`Authorization: L402 ${'A'.repeat(16_384)}:${'0'.repeat(64)}`]],
    ['many tokens', (b) => [`Authorization: L402 ${'AAAA,'.repeat(3_000)}${b.macaroon}:${b.preimage}`]],
    ['many colons', () => [`Authorization: L402 ${':'.repeat(16_000)}`]],
    ['many commas', () => [`Authorization: ${'L402 ,'.repeat(2_600)}`]],
  ])('%s is refused with a fresh challenge', async (_, headers) => {
    expect(await lines(...headers(pass))).toBe(402)
    expect(upstream.bytes()).toBe('')
  })

  it('a header beyond every bound is refused, not an accident (V6)', async () => {
    for (const size of [20_000, 31_000, 40_000, 200_000]) {
      const status = await lines(`Authorization: L402 ${'A'.repeat(size)}:${pass.preimage}`)
      expect([402, 431]).toContain(status)
    }
    expect(upstream.bytes()).toBe('')
    expect(await lines(`Authorization: L402 ${pass.macaroon}:${pass.preimage}`)).toBe(200)
  })

  it('gRPC is answered with trailers of its own (protocol §1)', async () => {
    const headers = { 'Content-Type': 'application/grpc+proto' }
    const refused = await ask(gateway.url, 'POST', '/paid/x', { headers, body: 'x' })
    expect(refused.status).toBe(200)
    expect(refused.header('grpc-status')).toBe('13')
    expect(refused.header('cache-control')).toBe('no-store')
    expect(refused.header('grpc-message')).toBe('payment required')
    expect(refused.header('www-authenticate')).toMatch(S2)
    expect(refused.body).toBe('')
    const { macaroon, invoice } = challengeOf(refused)
    const preimage = await pay(gateway.admin, invoice)
    const bought = { macaroon, preimage } as Bought
    const metadata = { ...headers, Macaroon: withPreimage(bought).toString('hex') }
    expect((await ask(gateway.url, 'POST', '/paid/x', { headers: metadata, body: 'x' })).body).toBe(
      '{"ok":true}',
    )
  })

  it('a page of another origin can read the challenge (S5)', async () => {
    const refused = await get('/paid/x', { Origin: 'https://shop.example' })
    expect(refused.header('access-control-allow-origin')).toBe('*')
    for (const name of [
      'WWW-Authenticate',
      'Payment-Receipt',
      'RateLimit',
      'RateLimit-Policy',
      'Retry-After',
    ])
      expect(refused.header('access-control-expose-headers').split(', ')).toContain(name)
    const preflight = await ask(gateway.url, 'OPTIONS', '/paid/x', {
      headers: {
        Origin: 'https://shop.example',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization, content-type',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.header('access-control-allow-headers')).toMatch(/authorization/i)
    expect(upstream.bytes()).toBe('')
  })
})

function urlSafe(text: string): string {
  return text.replaceAll('+', '-').replaceAll('/', '_')
}

function withPreimage(bought: Bought): Buffer {
  return narrowed(bought, `preimage=${bought.preimage}`)
}

function flipped({ macaroon }: Bought): Buffer {
  const bytes = Buffer.from(macaroon, 'base64')
  bytes[40] = (bytes[40] ?? 0) ^ 1
  return bytes
}
