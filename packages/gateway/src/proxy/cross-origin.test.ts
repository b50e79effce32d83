import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CorsPolicy } from '@turnpike/l402/server'
import { afterEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  get,
  type RawAnswer,
  refuseGate,
  request,
  sendRaw,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'

afterEach(closeAll)

const APP = 'https://app.test'
const POLICY: CorsPolicy = {
  origins: [APP],
  credentials: true,
  expose: ['X-Request-Id'],
  maxAgeSeconds: 60,
}

/** All values of a field in an answer's head. */
const values = ({ head }: RawAnswer, name: string): string[] =>
  [...head.matchAll(new RegExp(`^${name}: (.*?)\\r?$`, 'gim'))].map(([, value = '']) => value)

async function started(
  cors: CorsPolicy | null | undefined,
  lines: readonly (readonly [string, string])[] = [],
) {
  const upstream = await startUpstream((_: IncomingMessage, res: ServerResponse) => {
    for (const [name, value] of lines) res.appendHeader(name, value)
    res.end('ok')
  })
  const extra = cors === undefined ? {} : { cors }
  const { port } = await startGateway({
    routing: [tableOf(upstream.origin, ['GET,PUT,DELETE /free/*', 'GET,PUT /paid/*'], extra)],
    gate: refuseGate(),
  })
  return {
    ask: (target: string, origin?: string) =>
      get(port, target, origin === undefined ? [] : [`Origin: ${origin}`]),
    preflight: (origin: string, method = 'PUT') =>
      sendRaw(
        port,
        request('OPTIONS', '/free/x', [
          ...[`Origin: ${origin}`, `Access-Control-Request-Method: ${method}`],
          'Access-Control-Request-Headers: content-type, authorization',
        ]),
      ),
  }
}

describe('without a policy', () => {
  it('any page can read what it needs to pay, and what the upstream says is said once', async () => {
    const { ask } = await started(undefined, [
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Expose-Headers', 'X-Request-Id'],
      ['Access-Control-Expose-Headers', 'retry-after'],
      ['Access-Control-Allow-Methods', 'GET'],
      ['Access-Control-Allow-Methods', 'get, PUT'],
    ])
    const answer = await ask('/free/x', APP)
    expect(values(answer, 'Access-Control-Allow-Origin')).toEqual(['*'])
    expect(values(answer, 'Access-Control-Allow-Methods')).toEqual(['GET, PUT'])
    expect(values(answer, 'Access-Control-Expose-Headers')).toEqual([
      'X-Request-Id, retry-after, WWW-Authenticate, Payment-Receipt, RateLimit, RateLimit-Policy',
    ])
    expect(values(await ask('/paid/x', APP), 'Access-Control-Allow-Origin')).toEqual(['*'])
  })
})

describe('with a policy', () => {
  it('a listed origin is named, with credentials, on every answer; never "*"', async () => {
    const { ask, preflight } = await started(POLICY, [
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Expose-Headers', 'X-Own'],
      ['Vary', 'Accept'],
    ])
    for (const target of ['/free/x', '/paid/x']) {
      const answer = await ask(target, APP)
      expect(values(answer, 'Access-Control-Allow-Origin')).toEqual([APP])
      expect(values(answer, 'Access-Control-Allow-Credentials')).toEqual(['true'])
      expect(values(answer, 'Access-Control-Expose-Headers').join()).toMatch(/X-Request-Id, WWW-Authenticate/)
      expect(values(answer, 'Vary').join()).toMatch(/Origin$/)
    }
    const answer = await preflight(APP)
    expect(answer.status).toBe(204)
    expect(values(answer, 'Access-Control-Allow-Origin')).toEqual([APP])
    expect(values(answer, 'Access-Control-Allow-Credentials')).toEqual(['true'])
    expect(values(answer, 'Access-Control-Allow-Methods')).toEqual(['DELETE, GET, PUT, HEAD, OPTIONS'])
    expect(values(answer, 'Access-Control-Allow-Headers')).toEqual(['Authorization, content-type'])
    expect(values(answer, 'Access-Control-Max-Age')).toEqual(['60'])
    expect(values(answer, 'Vary').join()).toMatch(/^Origin, /)
  })

  it('another origin is told nothing, whatever the upstream says, and caches keep the two apart', async () => {
    const { ask, preflight } = await started(POLICY, [
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Allow-Credentials', 'true'],
    ])
    for (const target of ['/free/x', '/paid/x']) {
      const answer = await ask(target, 'https://evil.test')
      expect(answer.head).not.toMatch(/Access-Control-Allow-(?:Origin|Credentials)/i)
      expect(values(answer, 'Vary')).toEqual(['Origin'])
    }
    expect((await preflight('https://evil.test')).head).not.toContain('Access-Control-Allow')
    expect(values(await ask('/free/x'), 'Vary')).toEqual(['Origin'])
  })

  it('methods and header fields can be listed', async () => {
    const narrow: CorsPolicy = {
      ...POLICY,
      origins: 'any',
      credentials: false,
      methods: ['PUT'],
      headers: ['X-A'],
    }
    const answer = await (await started(narrow)).preflight('https://any.test')
    expect(values(answer, 'Access-Control-Allow-Origin')).toEqual(['*'])
    expect(values(answer, 'Access-Control-Allow-Methods')).toEqual(['PUT'])
    expect(values(answer, 'Access-Control-Allow-Headers')).toEqual(['Authorization, X-A'])
    expect(answer.head).not.toMatch(/Credentials/i)
  })

  it('off leaves everything to the upstream', async () => {
    const { ask, preflight } = await started(null, [['Access-Control-Allow-Origin', 'https://own.test']])
    expect(values(await ask('/free/x', APP), 'Access-Control-Allow-Origin')).toEqual(['https://own.test'])
    expect((await ask('/paid/x', APP)).head).not.toContain('Access-Control')
    expect((await preflight(APP)).head).not.toContain('Access-Control')
  })
})
