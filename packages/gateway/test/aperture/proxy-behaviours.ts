/** Behaviours 1 to 24: challenges, gRPC, CORS, rewriting, streaming. */

import { ask } from '../e2e/client.ts'
import type { Behaviour } from './behaviour.ts'
import { buy, firstPiece, get, grpc, present, statusOf } from './server.ts'

const ORIGIN = { origin: 'https://page.test' }
const CORS = ['origin', 'methods', 'headers']
const times = (count: number, path: string): string[] => Array.from({ length: count }, () => path)

export const PROXY_BEHAVIOURS: readonly Behaviour[] = [
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
]
