/** Hostile requests over HTTP/1.1: each kind varies by chance what the table of the same name has. */

import {
  badChunks,
  CLOSE,
  forgedAddresses,
  forgedIdentities,
  framings,
  overrides,
  request,
  spellings,
} from '../../../packages/gateway/test/e2e/hostile-requests.ts'
import type { Random } from '../random.ts'
import { h1, type Shape } from './attack.ts'

const PREFIXES = ['/paid/', '/pass/', '/bundle/'] as const
const PIECES = [
  ...['/', '//', '.', '..', '%2e', '%2E%2e', '.%2e', '%2f', '%5c', '\\', ';', ';a=b', '%00', '%70', '%50'],
  ...[
    '%252e',
    '%252f',
    '%c0%ae',
    '%c0%af',
    '%u002e',
    '%',
    '#',
    '?',
    '%20',
    '%09',
    '%3b',
    '%23',
    '%3f',
    ':',
    '@',
  ],
  ...[
    'free',
    'paid',
    'pass',
    'bundle',
    'shop',
    'x',
    '/free/',
    '/paid/',
    '/../',
    '/..;/',
    '/./',
    '\x7f',
    '\xa0',
  ],
]

/** What version and location take of a macaroon's base64, where the location is as long as `bundle`. */
const LOCATION_LETTERS = 12

const probed = (probe: string): string => `X-Probe: ${probe}\r\n`
const hiddenIn = (probe: string, target: string): string =>
  `GET ${target} HTTP/1.1\r\nHost: a\r\n${probed(`${probe}h`)}\r\n`

/** Puts lines just behind the request line. */
function withLines(bytes: string, lines: string): string {
  const end = bytes.indexOf('\n')
  return end < 0 ? bytes : bytes.slice(0, end + 1) + lines + bytes.slice(end + 1)
}

const anyCase = (text: string, random: Random): string =>
  [...text].map((letter) => (random.oneIn(2) ? letter.toUpperCase() : letter.toLowerCase())).join('')

const method = (random: Random): string =>
  random.pick(['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'QUERY'])

/** The path spellings of the table, towards any of the sold prefixes. */
const spelling: Shape = ({ random, probe }) => {
  const [target] = random.pick(spellings)
  const towards = random.pick(PREFIXES)
  return h1(request(target.replaceAll('/paid/', towards), probed(probe) + CLOSE, method(random)))
}

/** Paths put together of what is read in two ways somewhere. */
const composed: Shape = ({ random, probe }) => {
  const pieces = Array.from({ length: 2 + random.below(7) }, () => random.pick(PIECES))
  const target = random.pick(['/', '/free/', '/free/', '/free/x', ...PREFIXES, '']) + pieces.join('')
  return h1(request(target, probed(probe) + CLOSE, method(random)))
}

/** Framing that is not one, around a request that must stay hidden. */
const framing: Shape = ({ random, probe }) => {
  const hidden = hiddenIn(probe, random.pick(['/paid/x', '/free/x', '/pass/x']))
  const [, bytes] = random.pick(framings(hidden))
  const marked = random.oneIn(8) ? bytes : withLines(bytes, probed(probe))
  if (random.oneIn(3)) return h1(marked)
  // In two pieces, so that the parser stops somewhere.
  const at = 1 + random.below(marked.length - 1)
  return h1(marked.slice(0, at), marked.slice(at))
}

/** Chunks that are none. */
const chunks: Shape = ({ random, probe }) => {
  const hidden = hiddenIn(probe, random.pick(['/paid/x', '/free/x']))
  const [, bad] = random.pick(badChunks(hidden))
  const good = random.oneIn(2) ? '' : `3${random.oneIn(2) ? ';a=b' : ''}\r\nabc\r\n`
  const head = `POST ${random.pick(['/free/x', '/paid/x'])} HTTP/1.1\r\nHost: a\r\n${probed(probe)}${anyCase('Transfer-Encoding', random)}: chunked\r\n\r\n`
  return random.oneIn(2) ? h1(head + good + bad + hidden) : h1(head, good + bad, hidden)
}

/** Trailers that say what only the gateway says. */
const trailers: Shape = ({ random, probe }) => {
  const names = [
    ...forgedIdentities,
    ...overrides,
    'Host',
    'Content-Length',
    'Transfer-Encoding',
    'Authorization',
  ]
  const lines = Array.from({ length: 1 + random.below(3) }, () => `${random.pick(names)}: smuggled\r\n`).join(
    '',
  )
  const head = `POST /free/x HTTP/1.1\r\n${CLOSE}${probed(probe)}Trailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n`
  return h1(`${head}5\r\nhello\r\n0\r\n${lines}\r\n`)
}

/** Another method or target by a header, and what only the gateway says. */
const headers: Shape = ({ random, probe, pass }) => {
  const names = [...overrides, ...forgedIdentities, ...forgedAddresses]
  const lines = Array.from(
    { length: 1 + random.below(4) },
    () => `${anyCase(random.pick(names), random)}: smuggled /paid/x\r\n`,
  ).join('')
  const paying = random.oneIn(3)
  const hop = random.oneIn(2)
    ? `Connection: close, ${random.pick(['Host', 'Authorization', 'X-L402-Token-Id'])}\r\n`
    : ''
  const own = paying ? `Authorization: ${pass}\r\n${probed(`${probe}p`)}` : probed(probe)
  return h1(request(paying ? '/pass/x' : '/free/x', `Host: a\r\n${hop}${lines}${own}Connection: close\r\n`))
}

/** The host of one service and the path of another. */
const hosts: Shape = ({ random, probe }) => {
  const names = [
    'open.test',
    'shop.test',
    'open.test:80',
    'shop.test.',
    'SHOP.test',
    'shop.test:1',
    'open.test@shop.test',
  ]
  const odd = [
    'shop.test, open.test',
    'open.test shop.test',
    'open.test\tshop.test',
    '[::1]',
    '',
    '/shop/',
    'a%2fb',
  ]
  const host = random.pick([...names, ...odd])
  const second = random.oneIn(4) ? `Host: ${random.pick(names)}\r\n` : ''
  const forwarded = random.oneIn(2)
    ? `X-Forwarded-Host: smuggled.test\r\nForwarded: host=smuggled.test\r\n`
    : ''
  const target = random.pick([
    '/shop/x',
    '/shop/x',
    '/open/../shop/x',
    'http://shop.test/shop/x',
    'http://open.test/shop/x',
  ])
  const lines = `Host: ${host}\r\n${second}${forwarded}${probed(probe)}Connection: close\r\n`
  return h1(request(target, lines, method(random)))
}

/** Targets that are a whole URL. */
const absolute: Shape = ({ random, probe }) => {
  const scheme = random.pick(['http', 'https', 'HTTP', 'ws', 'file', 'http+unix', ''])
  const authority = random.pick([
    'a',
    'A:80',
    'b',
    'a@b',
    'a:b@a',
    '',
    'a:99999',
    '[::1]',
    'a%2f',
    'a#',
    'a?',
    '\\a',
  ])
  const path = random.pick([
    '/free/x',
    '/paid/x',
    '/free/../paid/x',
    '',
    '?/paid/x',
    '/free/..%2fpaid/x',
    '#/paid/x',
  ])
  return h1(request(`${scheme}://${authority}${path}`, probed(probe) + CLOSE, method(random)))
}

/** Credentials that are none, or nearly one. */
const credentials: Shape = ({ random, probe, pass, bundle }) => {
  const real = random.pick([pass, bundle])
  const [macaroon = '', preimage = ''] = real.replace(/^\S+ /, '').split(':')
  // Behind the location, which nothing signs (rule S9).
  const at = real.indexOf(macaroon) + LOCATION_LETTERS + random.below(macaroon.length - LOCATION_LETTERS)
  const letter = real[at] === 'A' ? 'B' : 'A'
  const value = random.pick([
    real.slice(0, at) + letter + real.slice(at + 1),
    real.slice(0, at),
    `L402 ${macaroon}:${'0'.repeat(64)}`,
    `L402 ${macaroon}`,
    `L402 ${macaroon}:${preimage.slice(0, 62)}`,
    `L402 :${preimage}`,
    `L402 ${'A'.repeat(1 + random.below(20_000))}:${'0'.repeat(64)}`,
    `LSAT ${macaroon}:${preimage.replace(/./g, 'a')}`,
    `Bearer ${preimage}`,
    'L402',
    'L402 ',
    `L402 ${'\xff'.repeat(40)}:${'\xff'.repeat(20)}`,
    `Basic ${Buffer.from(`${macaroon}:${'0'.repeat(64)}`).toString('base64')}`,
  ])
  const name = random.pick(['Authorization', 'authorization', 'Grpc-Metadata-macaroon', 'Macaroon'])
  const twice = random.oneIn(6) ? `Authorization: L402 ${'A'.repeat(80)}:${'0'.repeat(64)}\r\n` : ''
  const lines = `${name}: ${value}\r\n${twice}${probed(probe)}${CLOSE}`
  return h1(request(`${random.pick(PREFIXES)}x`, lines, method(random)))
}

/** More header lines, or longer ones, than anybody needs. */
const flood: Shape = ({ random, probe }) => {
  const lines = random.pick([
    () => `X-A: ${'a'.repeat(20_000 + random.below(100_000))}\r\n`,
    () => Array.from({ length: 200 + random.below(5_000) }, (_, i) => `X-${i}: b\r\n`).join(''),
    () => `${'X'.repeat(40_000)}: b\r\n`,
    () => `Cookie: ${'a=b; '.repeat(10_000)}\r\n`,
  ])()
  return h1(
    request(
      random.pick(['/free/x', `/free/${'a'.repeat(100_000)}`, '/paid/x']),
      probed(probe) + lines + CLOSE,
    ),
  )
}

/** A head or a body that comes a few bytes at a time and never ends. */
const slow: Shape = ({ random, probe }) => {
  const body = random.oneIn(2)
  const head = `POST ${random.pick(['/free/x', '/paid/x'])} HTTP/1.1\r\nHost: a\r\n${probed(probe)}`
  const start = body ? `${head}Content-Length: 9999\r\n\r\n` : `${head}X-A: `
  return {
    ...h1(start, ...Array.from({ length: 8 }, () => 'a'.repeat(1 + random.below(3)))),
    ending: random.pick(['ends', 'leaves']),
  }
}

/** Several requests in one write; each is gated on its own. */
const pipeline: Shape = ({ random, probe, pass }) => {
  const one = (target: string, lines: string): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`
  const first = random.pick([
    one('/free/x', probed(probe)),
    one('/paid/x', probed(probe)),
    one('/pass/x', `Authorization: ${pass}\r\n${probed(`${probe}p`)}`),
  ])
  const second = random.pick([
    one('/paid/x', probed(`${probe}f`)),
    one('/free/x', probed(`${probe}f`)),
    `POST /free/x HTTP/1.1\r\nHost: a\r\n${probed(`${probe}f`)}Content-Length: 3\r\n\r\nabc`,
  ])
  return h1(first + second + one('/pass/x', CLOSE.replace('Host: a\r\n', '') + probed(`${probe}h`)))
}

/** A paid request whose client breaks off. */
const breakOff: Shape = ({ random, probe, bundle }) => {
  const head = `POST /bundle/x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bundle}\r\n${probed(`${probe}p`)}`
  const sent = random.pick([
    `${head}Content-Length: 10\r\n\r\nhalf`,
    `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
    `${head}Content-Length: 5\r\n\r\nhello`,
    `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`,
  ])
  return { ...h1(sent), ending: random.pick(['ends', 'leaves']) }
}

/** The same paid request twice, with the same key. */
const repeated: Shape = ({ random, probe, bundle }) => {
  const lines = `Host: a\r\nAuthorization: ${bundle}\r\n${probed(`${probe}p`)}Idempotency-Key: "key-${probe}"\r\nContent-Length: 5\r\n`
  const one = `POST /bundle/x HTTP/1.1\r\n${lines}\r\nhello`
  return random.oneIn(2) ? h1(one + one) : h1(one, one)
}

/** Small edits anywhere. */
const mutated: Shape = ({ random, probe }) => {
  const seeds = [
    request('/free/../paid/x', probed(probe) + CLOSE),
    request('/paid/x', `Authorization: L402 ${'A'.repeat(80)}:${'0'.repeat(64)}\r\n${probed(probe)}${CLOSE}`),
    `POST /paid/x HTTP/1.1\r\n${CLOSE}${probed(probe)}Content-Length: 5\r\n\r\nhello`,
    `POST /free/x HTTP/1.1\r\n${CLOSE}${probed(probe)}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  ]
  const puts = [
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\t',
    '%2e',
    '%2f',
    '/',
    '..',
    '\\',
    ':',
    ',',
    ';',
    '\0',
    '\r\n\r\n',
    '\xff',
    '',
  ]
  let bytes = random.pick(seeds)
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const at = random.below(bytes.length)
    const put = random.oneIn(3) ? String.fromCharCode(random.below(256)) : random.pick(puts)
    bytes = bytes.slice(0, at) + put + bytes.slice(at + random.below(7))
  }
  return h1(bytes)
}

/** All kinds with how often each comes. */
export const h1Shapes: Readonly<Record<string, readonly [shape: Shape, weight: number]>> = {
  spelling: [spelling, 12],
  composed: [composed, 20],
  framing: [framing, 16],
  chunks: [chunks, 8],
  trailers: [trailers, 3],
  headers: [headers, 6],
  hosts: [hosts, 8],
  absolute: [absolute, 6],
  credentials: [credentials, 8],
  flood: [flood, 1],
  slow: [slow, 1],
  pipeline: [pipeline, 4],
  'break-off': [breakOff, 4],
  repeated: [repeated, 3],
  mutated: [mutated, 20],
}
