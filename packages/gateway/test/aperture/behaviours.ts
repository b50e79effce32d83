/**
 * The behaviours a replacement of Aperture is measured by, one row each. What can be asked over HTTP is asked of both: the
 * lab asks the real Aperture, so that `aperture` is known to be right.
 */

import { ask } from '../e2e/client.ts'
import { attenuate, buy, firstPiece, get, grpc, inHex, present, statusOf, type Tried } from './server.ts'
import type { BehaviourUpstream } from './upstream.ts'

/** One row. */
export type Behaviour = {
  readonly number: number
  /** Given, when, then. */
  readonly what: string
} & (
  | {
      /** Asks a gateway. */
      readonly probe: (tried: Tried, upstream: BehaviourUpstream) => Promise<unknown>
      /** What the table says of Aperture. */
      readonly aperture: unknown
      /** What its release 0.4.2 does, where the table is of later sources; this is what the lab asks of. */
      readonly release?: unknown
      /** What ours does, where it is something else on purpose, with the reason. */
      readonly ours?: unknown
      readonly reason?: string
    }
  /** Where it is tested, as files of this repository; `reason` says what differs, if something does. */
  | { readonly testedIn: readonly string[]; readonly reason?: string }
  /** Not there. */
  | { readonly absent: string }
)

const ORIGIN = { origin: 'https://page.test' }
const CORS = ['origin', 'methods', 'headers']
const NO_MPP = 'the Payment scheme is not spoken'
const REST = 'the admin API is another one, on a listener of its own with bearer tokens'

const seconds = (): number => Math.floor(Date.now() / 1000)
const validUntil = (macaroon: string): string =>
  /timed_valid_until=(\d+)/.exec(Buffer.from(macaroon, 'base64').toString('latin1'))?.[1] ?? ''

async function statuses(tried: Tried, paths: readonly string[]): Promise<number[]> {
  const all: number[] = []
  for (const path of paths) all.push(await statusOf(tried, path))
  return all
}

const times = (count: number, path: string): string[] => Array.from({ length: count }, () => path)

export const BEHAVIOURS: readonly Behaviour[] = [
  {
    number: 1,
    what: 'auth on, no credential, GET or POST: 402 with a challenge that old clients read',
    async probe(tried) {
      const answers = [await get(tried, '/on/a'), await ask(tried.url, 'POST', '/on/a', { body: 'x' })]
      return answers.map((answer) => ({
        status: answer.status,
        readable: answer
          .all('www-authenticate')
          .every((line) => /^(LSAT|L402) macaroon="(.*?)", invoice="(.*?)"/.test(line)),
        schemes: answer.all('www-authenticate').map((line) => line.slice(0, 4)),
        type: answer.header('content-type'),
      }))
    },
    aperture: times(2, '').map(() => ({
      status: 402,
      readable: true,
      schemes: ['LSAT', 'L402'],
      type: 'text/plain; charset=utf-8',
    })),
    ours: times(2, '').map(() => ({
      status: 402,
      readable: true,
      schemes: ['L402', 'LSAT'],
      type: 'application/problem+json',
    })),
    reason:
      'the L402 line first, for clients that read the first line only; the body says what it costs and why',
  },
  {
    number: 2,
    what: 'a path of the whitelist needs no credential, and its answer arrives whole',
    async probe(tried) {
      const { status, body } = await get(tried, '/on/free')
      return { status, url: JSON.parse(body).url }
    },
    aperture: { status: 200, url: '/on/free' },
  },
  {
    number: 3,
    what: 'a path of the skip-invoice list: 401 and no invoice',
    async probe(tried) {
      const { status, all } = await get(tried, '/on/skip')
      return { status, invoices: all('www-authenticate').filter((line) => line.includes('invoice=')).length }
    },
    aperture: { status: 401, invoices: 0 },
  },
  {
    number: 4,
    what: 'a path of the skip-invoice list with a valid credential is passed on',
    probe: async (tried) => statusOf(tried, '/on/skip', present(await buy(tried, '/on/a'))),
    aperture: 200,
  },
  {
    number: 5,
    what: 'a path of neither list: 402',
    probe: (tried) => statusOf(tried, '/on/b'),
    aperture: 402,
  },
  {
    number: 6,
    what: 'an address of the block list: 403, whatever it asks for',
    testedIn: ['packages/gateway/test/aperture/serve-aperture.test.ts'],
  },
  { number: 7, what: 'auth off: passed on', probe: (tried) => statusOf(tried, '/off/a'), aperture: 200 },
  {
    number: 8,
    what: 'a service goes before the static files, which have what no service matches',
    async probe(tried) {
      const { status, body } = await get(tried, '/hello.txt')
      return [status, body, await statusOf(tried, '/on/hello.txt')]
    },
    aperture: [200, 'hello', 402],
  },
  {
    number: 9,
    what: 'a gRPC call without a credential: status 13 and both challenges, in trailers alone',
    probe: (tried) => grpc(tried, '/on/Call'),
    aperture: { status: 200, code: 13, message: 'payment required', trailersOnly: true, challenges: 2 },
  },
  {
    number: 10,
    what: 'a gRPC call of the skip-invoice list: status 13, unauthorized',
    probe: (tried) => grpc(tried, '/on/skip'),
    aperture: { status: 200, code: 13, message: 'unauthorized', trailersOnly: true, challenges: 0 },
  },
  {
    number: 11,
    what: 'a gRPC method of the whitelist: the reply',
    testedIn: ['packages/gateway/src/proxy/grpc.test.ts'],
  },
  {
    number: 12,
    what: 'a gRPC error of the backend arrives unchanged',
    testedIn: ['packages/gateway/src/proxy/grpc.test.ts'],
  },
  {
    number: 13,
    what: 'a backend with CORS of its own: one line of each field',
    async probe(tried) {
      const answer = await get(tried, '/off/cors', ORIGIN)
      return {
        lines: [
          ...CORS.map((name) => answer.all(`access-control-allow-${name}`).length),
          answer.all('access-control-expose-headers').length,
        ],
        origin: answer.header('access-control-allow-origin'),
      }
    },
    release: { lines: [2, 2, 2, 2], origin: 'https://backend.test' },
    aperture: { lines: [1, 1, 1, 1], origin: '*' },
    ours: { lines: [1, 1, 1, 1], origin: 'https://backend.test' },
    reason: 'what the backend says of origins stands; a "cors" of the service says otherwise',
  },
  {
    number: 14,
    what: 'a preflight of a JSON POST is answered without a credential',
    async probe(tried) {
      const { status, all, header } = await ask(tried.url, 'OPTIONS', '/on/a', {
        headers: {
          ...ORIGIN,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type',
        },
      })
      return {
        status,
        origins: all('access-control-allow-origin'),
        json: /content-type/i.test(header('access-control-allow-headers')),
      }
    },
    release: { status: 200, origins: ['*'], json: false },
    aperture: { status: 200, origins: ['*'], json: true },
    ours: { status: 204, origins: ['*'], json: true },
    reason: 'an answer without a body is 204',
  },
  {
    number: 15,
    what: 'what the backend exposes comes first, and payment fields are there',
    async probe(tried) {
      const exposed = (await get(tried, '/off/cors', ORIGIN)).header('access-control-expose-headers')
      return [
        /^x-request-id/i.test(exposed),
        /www-authenticate/i.test(exposed),
        /payment-receipt/i.test(exposed),
      ]
    },
    release: [true, false, false],
    aperture: [true, true, true],
  },
  {
    number: 16,
    what: 'what both allow stands once; methods',
    async probe(tried) {
      const { header } = await get(tried, '/off/cors', ORIGIN)
      return [
        header('access-control-allow-headers').match(/content-type/gi)?.length,
        header('access-control-allow-methods'),
      ]
    },
    release: [1, 'GET'],
    aperture: [1, 'GET, POST, OPTIONS'],
    ours: [1, 'GET'],
    reason:
      'methods belong to the answer of a preflight, which names all that the routes take (PUT and DELETE too)',
  },
  {
    number: 17,
    what: 'rewrite.prefix goes before the path',
    async probe(tried) {
      const host = { host: 'rewrite.test' }
      const all: string[] = []
      for (const path of ['/users', '/users/', '/'])
        all.push(JSON.parse((await get(tried, path, host)).body).url)
      return all
    },
    release: ['/users', '/users/', '/'],
    aperture: ['/api/users', '/api/users/', '/api/'],
  },
  {
    number: 18,
    what: 'an encoded slash stays, double slashes and dot segments are cleaned',
    async probe(tried) {
      const host = { host: 'rewrite.test' }
      const all: string[] = []
      for (const path of ['/a%2Fb', '//users', '/users/../admin'])
        all.push(JSON.parse((await get(tried, path, host)).body).url)
      return all
    },
    release: ['/a%2Fb', '//users', '/users/../admin'],
    aperture: ['/api/a%2Fb', '/api/users', '/api/admin'],
  },
  {
    number: 19,
    what: 'a prefix that is relative, or has a host, query or fragment: `invalid prefix format`',
    testedIn: ['packages/gateway/src/aperture/translate.test.ts'],
  },
  {
    number: 20,
    what: 'header values with variables: filled in, an error that names what is not set, `$5` as it is',
    testedIn: ['packages/gateway/src/aperture/translate.test.ts'],
  },
  {
    number: 21,
    what: 'a configured Authorization is all that the backend sees',
    async probe(tried, upstream) {
      const { body } = await get(tried, '/configured/a', present(await buy(tried, '/configured/a')))
      const lines = upstream.seen
        .at(-1)
        ?.rawHeaders.filter((name) => name.toLowerCase() === 'authorization').length
      return { configured: JSON.parse(body).authorization === 'Bearer configured', lines }
    },
    release: { configured: false, lines: 3 },
    aperture: { configured: true, lines: 1 },
  },
  {
    number: 22,
    what: 'a piece arrives while the backend waits',
    probe: (tried, upstream) => firstPiece(tried, '/off/pieces', upstream.release),
    aperture: { first: 'one', whole: 'onetwo' },
  },
  {
    number: 23,
    what: 'a stream that goes on for longer than the write timeout',
    testedIn: ['packages/gateway/src/proxy/streaming.test.ts'],
    reason: 'streams are never cut for how long they go on',
  },
  {
    number: 24,
    what: 'a backend that stalls for longer than the write timeout',
    testedIn: ['packages/gateway/src/proxy/unpaid.test.ts', 'packages/gateway/test/e2e/trouble.test.ts'],
    reason: '"timeout" bounds the first byte (504, nothing used); a gap later on is the client’s to judge',
  },
  {
    number: 25,
    what: 'ten requests at once: the eleventh is refused with a time to wait',
    async probe(tried) {
      const before = await statuses(tried, times(10, '/eleven/a'))
      const { status, header } = await get(tried, '/eleven/a')
      return [new Set(before), status, Number(header('retry-after')) > 0]
    },
    aperture: [new Set([200]), 429, true],
  },
  {
    number: 26,
    what: 'a path that no rule is for is not limited',
    probe: async (tried) => new Set(await statuses(tried, times(100, '/eleven/b'))),
    aperture: new Set([200]),
  },
  {
    number: 27,
    what: 'the stricter of two rules decides',
    probe: (tried) => statuses(tried, ['/strict/a', '/strict/a', '/strict/a', '/strict/b']),
    aperture: [200, 200, 429, 200],
  },
  {
    number: 28,
    what: 'each token has its own rate',
    async probe(tried) {
      const [one, two] = [await buy(tried, '/each/a'), await buy(tried, '/each/a')]
      return [
        await statusOf(tried, '/each/a', present(one)),
        await statusOf(tried, '/each/a', present(one)),
        await statusOf(tried, '/each/a', present(two)),
      ]
    },
    aperture: [200, 429, 200],
  },
  {
    number: 29,
    what: 'a made-up credential counts by its address',
    async probe(tried) {
      const made = { authorization: `L402 AgEEbHNhdA==:${'0'.repeat(64)}` }
      return [
        await statusOf(tried, '/garbage/a'),
        await statusOf(tried, '/garbage/a', made),
        await statusOf(tried, '/garbage/a', { authorization: `L402 AgEEbHNhdB==:${'1'.repeat(64)}` }),
      ]
    },
    aperture: [200, 200, 429],
  },
  {
    number: 30,
    what: 'Retry-After in whole seconds, gRPC status 8',
    async probe(tried) {
      const first = await statusOf(tried, '/slow/a')
      const wait = Number((await get(tried, '/slow/a')).header('retry-after'))
      const { code, trailersOnly } = await grpc(tried, '/slow/a')
      return [first, wait >= 1 && wait <= 5, code, trailersOnly]
    },
    aperture: [200, true, 8, true],
  },
  {
    number: 31,
    what: 'burst left out is as many as requests',
    testedIn: [
      'packages/gateway/src/aperture/translate.test.ts',
      'packages/l402/src/server/limits/local-limits.test.ts',
    ],
  },
  {
    number: 32,
    what: 'no credential in the lines: refused',
    async probe(tried) {
      const all: number[] = []
      for (const headers of [
        {},
        { authorization: '' },
        { authorization: 'foo' },
        { macaroon: 'foo' },
        { 'grpc-metadata-macaroon': 'foo' },
      ])
        all.push(await statusOf(tried, '/on/a', headers))
      return all
    },
    aperture: [402, 402, 402, 402, 402],
  },
  {
    number: 33,
    what: 'LSAT, L402, or a line of each',
    async probe(tried) {
      const credential = await buy(tried, '/on/a')
      const [lsat, l402] = [present(credential, 'LSAT'), present(credential)]
      const both = { authorization: [lsat.authorization, l402.authorization] }
      return [
        await statusOf(tried, '/on/a', lsat),
        await statusOf(tried, '/on/a', l402),
        await statusOf(tried, '/on/a', both),
      ]
    },
    aperture: [200, 200, 200],
  },
  {
    number: 34,
    what: 'a macaroon in hex with its preimage as a caveat',
    async probe(tried) {
      const macaroon = inHex(await buy(tried, '/on/a'))
      return [
        await statusOf(tried, '/on/a', { macaroon }),
        await statusOf(tried, '/on/a', { 'grpc-metadata-macaroon': macaroon }),
      ]
    },
    aperture: [200, 200],
  },
  {
    number: 35,
    what: 'a token of one service does not open another',
    probe: async (tried) => statusOf(tried, '/other/a', present(await buy(tried, '/on/a'))),
    aperture: 402,
  },
  {
    number: 36,
    what: 'a token without services',
    testedIn: ['packages/gateway/test/aperture/serve-aperture.test.ts'],
    reason:
      'a token that names no service opens nothing here; Aperture never sells one, only opens it everywhere',
  },
  {
    number: 37,
    what: 'a token whose root key was deleted',
    testedIn: ['packages/l402/src/server/stored-lookup.test.ts', 'lab/aperture-secrets.test.ts'],
  },
  {
    number: 38,
    what: 'a changed signature',
    async probe(tried) {
      const { macaroon, preimage } = await buy(tried, '/on/a')
      const bytes = Buffer.from(macaroon, 'base64')
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1
      return statusOf(tried, '/on/a', present({ macaroon: bytes.toString('base64'), preimage }))
    },
    aperture: 402,
  },
  {
    number: 39,
    what: 'a token for two services, narrowed to one',
    testedIn: ['packages/l402/src/core/clear.test.ts'],
  },
  {
    number: 40,
    what: 'a time that has passed, one that is later than the one before, one that is earlier',
    async probe(tried) {
      const credential = await buy(tried, '/timed/a')
      const all: number[] = []
      for (const end of [seconds() - 10, seconds() + 999_999, seconds() + 600])
        all.push(
          await statusOf(tried, '/timed/a', present(attenuate(credential, `timed_valid_until=${end}`))),
        )
      return all
    },
    aperture: [402, 402, 200],
  },
  {
    number: 41,
    what: 'a transaction store that fails does not keep a token from being minted',
    absent: 'minting writes nothing at all',
  },
  {
    number: 42,
    what: 'a value with = in it, conditions that nobody knows, and a caveat that is none',
    async probe(tried) {
      const credential = await buy(tried, '/on/a')
      const all: number[] = []
      for (const caveat of ['a=1=', 'unknown=x'])
        all.push(await statusOf(tried, '/on/a', present(attenuate(credential, caveat))))
      return all
    },
    aperture: [200, 200],
  },
  {
    number: 43,
    what: 'several caveats of one condition',
    testedIn: ['packages/l402/src/core/clear.test.ts'],
  },
  {
    number: 44,
    what: 'a services caveat that cannot be read',
    testedIn: ['packages/l402/src/core/clear.test.ts'],
  },
  {
    number: 45,
    what: 'identifiers: version 0 has 66 bytes, others are errors',
    testedIn: ['packages/l402/src/core/identifier.test.ts'],
  },
  {
    number: 46,
    what: 'a service with a timeout: each challenge has a time of its own',
    async probe(tried) {
      const until = async (): Promise<string> => {
        const line = (await get(tried, '/timed/a')).header('www-authenticate')
        return validUntil(/macaroon="([^"]+)"/.exec(line)?.[1] ?? '')
      }
      const first = await until()
      let next = first
      for (let tries = 0; tries < 1000 && next === first; tries++) next = await until()
      return Number(next) > Number(first)
    },
    release: false,
    aperture: true,
  },
  {
    number: 47,
    what: 'client: one payment, then the call with the credential',
    testedIn: ['packages/l402/src/client/paying-fetch.test.ts'],
  },
  {
    number: 48,
    what: 'client: a stored token is used',
    testedIn: ['packages/l402/src/client/paying-fetch.test.ts'],
  },
  {
    number: 49,
    what: 'client: a pending payment is looked up, never made twice',
    testedIn: ['packages/l402/src/client/pay.test.ts'],
  },
  {
    number: 50,
    what: 'client: too dear, nothing paid',
    testedIn: ['packages/l402/src/client/buyer.test.ts'],
  },
  {
    number: 51,
    what: 'client: token files',
    absent: 'the purse is a database; nothing replaces what was paid',
  },
  {
    number: 52,
    what: 'strictverify',
    absent: 'a preimage is proof of payment; the node is not asked once more',
  },
  {
    number: 53,
    what: 'strictverify without a node that tracks invoices',
    absent: 'there is no strictverify',
  },
  {
    number: 54,
    what: 'old invoices are reconciled at start',
    absent: 'invoices of the node are never read through; a start does not wait for them',
  },
  { number: 55, what: 'MPP: a 402', absent: NO_MPP },
  {
    number: 56,
    what: 'MPP: the scheme in any case, second in a joined value',
    testedIn: ['packages/l402/src/core/auth-header.test.ts'],
    reason: 'read by clients; the gateway does not offer it',
  },
  { number: 57, what: 'MPP: a paid charge', absent: NO_MPP },
  { number: 58, what: 'MPP: a charge twice', absent: NO_MPP },
  { number: 59, what: 'MPP: a charge on a metered service', absent: NO_MPP },
  { number: 60, what: 'MPP: changed challenges', absent: NO_MPP },
  { number: 61, what: 'MPP: sessions', absent: NO_MPP },
  { number: 62, what: 'MPP: top-ups', absent: NO_MPP },
  {
    number: 63,
    what: 'metered: garbage is never free, a pricer that is down is an error, a denial is a fresh 402',
    testedIn: ['packages/gateway/src/pricing/pricers.test.ts'],
    reason: 'a credential that cannot be read is a 402, and a pricer that is down a 503',
  },
  {
    number: 64,
    what: 'metered: usage is reported once',
    testedIn: [
      'packages/gateway/src/pricing/usage-reports.test.ts',
      'packages/gateway/src/pricing/pricers.test.ts',
    ],
  },
  { number: 65, what: 'base64url and JCS', absent: NO_MPP },
  {
    number: 66,
    what: 'admin: wrong macaroons',
    testedIn: ['packages/gateway/test/e2e/admin.test.ts'],
    reason: REST,
  },
  { number: 67, what: 'admin: wrong services', absent: REST },
  {
    number: 68,
    what: 'admin: a revoked token',
    testedIn: ['packages/gateway/test/e2e/admin.test.ts'],
    reason: 'a revoked token stays known as revoked',
  },
]
