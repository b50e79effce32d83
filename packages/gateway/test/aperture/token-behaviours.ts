/** Behaviours 25 to 46: rates, the lines of credentials, caveats. */

import type { Behaviour } from './behaviour.ts'
import { attenuate, buy, get, grpc, inHex, present, statusOf, type Tried } from './server.ts'

const seconds = (): number => Math.floor(Date.now() / 1000)
const validUntil = (macaroon: string): string =>
  /timed_valid_until=(\d+)/.exec(Buffer.from(macaroon, 'base64').toString('latin1'))?.[1] ?? ''

async function statuses(tried: Tried, paths: readonly string[]): Promise<number[]> {
  const all: number[] = []
  for (const path of paths) all.push(await statusOf(tried, path))
  return all
}

const times = (count: number, path: string): string[] => Array.from({ length: count }, () => path)

export const TOKEN_BEHAVIOURS: readonly Behaviour[] = [
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
      const enough = seconds() + 3
      let next = first
      while (next === first && seconds() < enough) next = await until()
      return Number(next) > Number(first)
    },
    release: false,
    aperture: true,
  },
]
