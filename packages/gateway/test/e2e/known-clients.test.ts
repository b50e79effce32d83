/** What each known client sends, byte for byte, against the real program: one row per client and form (V1–V6). */

import {
  attenuateMacaroon,
  decodeMacaroon,
  encodeBase64,
  encodeHex,
  encodeMacaroon,
  findL402Challenges,
} from '@turnpike/l402'
import { formatPaymentCredential, parsePaymentChallenges } from '@turnpike/l402/payment-scheme'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { askH2, openH2 } from '../proxy/h2.ts'
import { closeAll } from '../proxy/harness.ts'
import { ask, open, readAll } from './client.ts'
import { challengeOf, cleanUp, type Program, pay, start } from './program.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

/** A credential in the parts that clients make their lines of. */
interface Parts {
  /** Base64 as it stood in the challenge, and 64 hex digits. */
  readonly macaroon: string
  readonly preimage: string
  /** The macaroon with `preimage=<hex>` as a caveat of its own, as lnget and Aperture's client keep it. */
  readonly proven: Uint8Array
  /** The same purchase in the envelope of the Payment scheme. */
  readonly payment: string
}

let upstream: Upstream
let gateway: Program
let pass: Parts
let spent: Parts
beforeAll(async () => {
  upstream = await startUpstream((_req, res) => void res.end('served'))
  gateway = await start({
    upstream: upstream.origin,
    top: 'paymentScheme: always',
    routes: [
      '{ match: "/pass/*", price: 10 sat, grants: { valid: 1h } }',
      '{ match: "/once/*", price: 10 sat }',
    ],
  })
  pass = await partsOf('/pass/x')
  spent = await partsOf('/once/x')
  expect(await sent('/once/x', [`Authorization: L402 ${spent.macaroon}:${spent.preimage}`])).toMatchObject({
    status: 200,
  })
})
afterEach(closeAll)
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

async function partsOf(path: string): Promise<Parts> {
  // One challenge of each scheme, on one invoice.
  const refused = await ask(gateway.url, 'GET', path)
  const { macaroon, invoice } = challengeOf(refused)
  const [offered] = parsePaymentChallenges(refused.all('www-authenticate'))
  if (offered === undefined) throw new Error('expected a Payment challenge')
  const { doubtful, ...challenge } = offered
  const preimage = await pay(gateway.admin, invoice)
  const read = decodeMacaroon(Buffer.from(macaroon, 'base64'))
  const proven = encodeMacaroon(attenuateMacaroon(read, [`preimage=${preimage}`]))
  return {
    macaroon,
    preimage,
    proven,
    payment: formatPaymentCredential({ challenge, payload: { preimage } }),
  }
}

interface Answer {
  readonly status: number
  readonly code: string
  readonly type: string
  readonly lines: readonly string[]
}

/** Header lines by hand: names repeat, and nothing is joined or trimmed on the way. */
async function sent(path: string, headers: readonly string[]): Promise<Answer> {
  const socket = open(gateway.port)
  const head = [`GET ${path} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', ...headers, '', '']
  socket.write(Buffer.from(head.join('\r\n'), 'latin1'))
  const text = await readAll(socket)
  const [top = '', body = ''] = text.split('\r\n\r\n')
  const lines = [...top.matchAll(/^www-authenticate: (.*)$/gim)].map(([, value = '']) => value.trim())
  const problem = body.startsWith('{') ? (JSON.parse(body) as { code?: string; type?: string }) : {}
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(top)?.[1])
  return { status, code: problem.code ?? '', type: problem.type ?? '', lines }
}

type Row = readonly [client: string, form: string, lines: (parts: Parts) => readonly string[]]

const urlSafe = (base64: string): string => base64.replaceAll('+', '-').replaceAll('/', '_')
const hex = ({ proven }: Parts): string => encodeHex(proven)
const l402 = ({ macaroon, preimage }: Parts, scheme = 'L402 '): string =>
  `Authorization: ${scheme}${macaroon}:${preimage}`

/** What opens. */
const ACCEPTED: readonly Row[] = [
  [
    'lnget',
    'the paying request after an LSAT challenge',
    (p) => [`Authorization: LSAT ${encodeBase64(p.proven)}:${p.preimage}`],
  ],
  ['lnget', 'from its cache', (p) => [`Authorization: L402 ${encodeBase64(p.proven)}:${p.preimage}`]],
  ['lnget', 'with its name beside it', (p) => ['User-Agent: lnget/0.1.0', l402(p)]],
  ['Aperture as a proxy before this one', 'LSAT, then L402, two lines', (p) => [l402(p, 'LSAT '), l402(p)]],
  [
    'Aperture before a server that joins lines',
    'LSAT and L402 in one line',
    (p) => [`${l402(p, 'LSAT ')}, L402 ${p.macaroon}:${p.preimage}`],
  ],
  [
    'Aperture’s interceptor over a REST gateway',
    'Grpc-Metadata-Macaroon',
    (p) => [`Grpc-Metadata-Macaroon: ${hex(p)}`],
  ],
  ['Loop, Pool', 'Macaroon in hex', (p) => [`Macaroon: ${hex(p)}`]],
  [
    'Loop, Pool behind a login',
    'Macaroon beside Bearer',
    (p) => ['Authorization: Bearer abc.def', `Macaroon: ${hex(p)}`],
  ],
  ['lncli as people use it', 'Macaroon in capital hex', (p) => [`Macaroon: ${hex(p).toUpperCase()}`]],
  ['L402sdk', 'the challenge’s own text', (p) => [l402(p)]],
  [
    'L402sdk',
    'url-safe, without padding',
    (p) => [`Authorization: L402 ${urlSafe(p.macaroon).replaceAll('=', '')}:${p.preimage}`],
  ],
  ['l402 (sulu)', 'the scheme as it was challenged', (p) => [l402(p)]],
  ['l402 (sulu)', 'after a challenge in small letters: no scheme', (p) => [l402(p, '')]],
  ['l402 (sulu)', 'the same with a blank in its place', (p) => [l402(p, ' ')]],
  ['Alby lightning-tools 7', 'and what it accepts', (p) => ['Accept-Authenticate: L402', l402(p)]],
  ['Alby lightning-tools 9', 'mirrors LSAT', (p) => [l402(p, 'LSAT ')]],
  ['Alby lightning-tools 9', 'mirrors small letters', (p) => [l402(p, 'l402 ')]],
  ['l402-requests', 'L402', (p) => [l402(p)]],
  ['l402-kit', 'from the body of the 402', (p) => [l402(p)]],
  ['Lightning Enable MCP', 'L402', (p) => [l402(p)]],
  [
    'a client in capitals',
    'a preimage of capital hex',
    (p) => [`Authorization: L402 ${p.macaroon}:${p.preimage.toUpperCase()}`],
  ],
  [
    'a client of the specification',
    'several tokens before the colon',
    (p) => [`Authorization: L402 AAAA,${p.macaroon}:${p.preimage}`],
  ],
  ['a client of the specification', 'metadata named token', (p) => [`token: ${hex(p)}`]],
  [
    'fetch with a login of its own',
    'Basic and L402 in one line',
    (p) => [`Authorization: Basic YTpi, L402 ${p.macaroon}:${p.preimage}`],
  ],
  [
    'an old proxy',
    'tabs and blanks around',
    (p) => [`Authorization:\t L402   ${p.macaroon}:${p.preimage} \t`],
  ],
  [
    'mppx',
    'Payment, with what it accepts',
    (p) => ['Accept-Payment: lightning/charge', `Authorization: ${p.payment}`],
  ],
  [
    'lnget, Alby for MPP',
    'Payment, padded',
    (p) => [`Authorization: ${p.payment.padEnd(8 + Math.ceil((p.payment.length - 8) / 4) * 4, '=')}`],
  ],
]

/** What does not open, and what the 402 says of it. */
const REFUSED: readonly (readonly [...Row, code: string])[] = [
  [
    'l402-requests, Lightning Enable MCP',
    'their own flat Payment form',
    (p) => [`Authorization: Payment method="lightning", preimage="${p.preimage}"`],
    'malformed',
  ],
  [
    'l402-kit',
    'its token, which anybody can make',
    (p) => [
      `Authorization: L402 ${encodeBase64(Buffer.from('{"hash":"00","exp":4102444800}'))}:${p.preimage}`,
    ],
    'malformed',
  ],
  [
    'Alby’s server helper',
    'a token that is a JWT',
    (p) => [`Authorization: L402 eyJhbGciOiJIUzI1NiJ9.e30.AAAA:${p.preimage}`],
    'malformed',
  ],
  [
    'lnget',
    'a payment under way: no preimage yet',
    (p) => [`Authorization: L402 ${p.macaroon}:${'0'.repeat(64)}`],
    'bad_preimage',
  ],
  [
    'l402-requests with lnd',
    'a preimage of 48 bytes',
    (p) => [`Authorization: L402 ${p.macaroon}:${p.preimage}${'ab'.repeat(16)}`],
    'malformed',
  ],
  [
    'a client that forgets to pay',
    'the macaroon alone',
    (p) => [`Authorization: L402 ${p.macaroon}`],
    'malformed',
  ],
  [
    'a client that mixes two purchases',
    'another preimage in the caveat than after the colon',
    (p) => [`Authorization: L402 ${encodeBase64(p.proven)}:${spent.preimage}`],
    'bad_preimage',
  ],
  [
    'a client that sends base64 where hex is wanted',
    'Macaroon in base64',
    (p) => [`Macaroon: ${encodeBase64(p.proven)}`],
    'malformed',
  ],
  [
    'a client that leaves the caveat out',
    'Macaroon in hex, unproven',
    (p) => [`Macaroon: ${Buffer.from(p.macaroon, 'base64').toString('hex')}`],
    'malformed',
  ],
  [
    'mppx',
    'two credentials',
    (p) => [`Authorization: ${p.payment}`, `Authorization: ${p.payment}`],
    'malformed',
  ],
  [
    'an x402 client',
    'a payment of its own',
    () => ['X-PAYMENT: e30=', 'Access-Control-Expose-Headers: PAYMENT-RESPONSE'],
    'missing',
  ],
  ['anybody', 'a login of the upstream’s', () => ['Authorization: Bearer abc.def'], 'missing'],
]

describe('what opens', () => {
  it.each(ACCEPTED)('%s: %s', async (_client, _form, lines) => {
    upstream.forget()
    expect((await sent('/pass/x', lines(pass))).status).toBe(200)
    // What was paid for is the gateway's and the client's alone.
    const seen = upstream.bytes()
    expect(seen).toMatch(/^GET \/pass\/x /)
    for (const secret of [
      pass.preimage,
      pass.macaroon.slice(-40),
      hex(pass).slice(-80),
      pass.payment.slice(-40),
    ])
      expect(seen.toLowerCase()).not.toContain(secret.toLowerCase())
  })
})

describe('what does not open is answered 402, with a fresh challenge of each scheme (S1)', () => {
  it.each(REFUSED)('%s: %s', async (_client, _form, lines, code) => {
    upstream.forget()
    const answer = await sent('/pass/x', lines(pass))
    expect(answer).toMatchObject({ status: 402, code })
    expect(answer.lines.map((line) => line.split(' ')[0])).toEqual(['L402', 'Payment'])
    expect(upstream.bytes()).toBe('')
  })

  it.each(ACCEPTED)('%s: %s, when what it holds is used up', async (_client, _form, lines) => {
    const answer = await sent('/once/x', lines(spent))
    expect(answer.status).toBe(402)
    expect(['exhausted', 'bad_signature']).toContain(answer.code)
    const [fresh] = findL402Challenges(answer.lines)
    expect(fresh?.invoice).toMatch(/^lnbcrt/)
    expect(fresh?.macaroon).not.toBe(spent.macaroon)
  })
})

describe('gRPC metadata', () => {
  const GRPC: readonly (readonly [string, string, (parts: Parts) => Record<string, string>])[] = [
    ['Aperture’s interceptor', 'macaroon', (p) => ({ macaroon: hex(p) })],
    ['a client of the specification', 'token', (p) => ({ token: hex(p) })],
    [
      'this project',
      'macaroon and authorization',
      (p) => ({ macaroon: hex(p), authorization: `L402 ${p.macaroon}:${p.preimage}` }),
    ],
    [
      'an interceptor with a login',
      'macaroon beside authorization',
      (p) => ({ macaroon: hex(p), authorization: 'Bearer abc' }),
    ],
  ]
  const call = { ':method': 'POST', ':path': '/pass/x', 'content-type': 'application/grpc', te: 'trailers' }

  it.each(GRPC)('%s: %s', async (_client, _form, metadata) => {
    const session = await openH2(gateway.url)
    const answer = await askH2(session, { ...call, ...metadata(pass) }, Buffer.alloc(5))
    expect(answer).toMatchObject({ status: 200, body: 'served' })
    expect(answer.headers['grpc-status']).toBeUndefined()
  })

  it.each<[string, (parts: Parts) => Record<string, string>]>([
    ['nothing', () => ({})],
    ['what is used up', () => ({ macaroon: hex(spent) })],
    ['base64 where hex is wanted', (p) => ({ macaroon: encodeBase64(p.proven) })],
  ])('%s is answered in one frame: 200, status 13, and L402 alone', async (_, metadata) => {
    const session = await openH2(gateway.url)
    const answer = await askH2(session, { ...call, ...metadata(pass) }, Buffer.alloc(5))
    expect(answer).toMatchObject({ status: 200, body: '', trailers: undefined })
    expect(answer.headers).toMatchObject({ 'grpc-status': '13', 'grpc-message': 'payment required' })
    expect(String(answer.headers['www-authenticate'])).toMatch(/^L402 /)
    expect(String(answer.headers['www-authenticate'])).not.toContain('Payment ')
  })
})
