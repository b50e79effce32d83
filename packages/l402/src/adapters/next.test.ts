/** Next shows its handlers the address that it listens at, whatever was asked for: `http://localhost:3000/…`. */

import { beforeEach, describe, expect, it } from 'vitest'
import { narrowed } from '../../test/gate-bench.ts'
import { payResponse } from '../../test/matrix.ts'
import { type MemoryLightning, memoryLightning } from '../lightning/memory.ts'
import type { ProofVerifier } from '../server/dpop.ts'
import type { L402Options, L402Route } from '../server/route-gates.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { l402 } from './next.ts'
import { l402 as proxyL402 } from './next-proxy.ts'

type Ask = (request: Request) => Promise<Response>

const mounts: Readonly<Record<string, (options: L402Options, route: L402Route) => Ask>> = {
  'a route handler': (options, route) => {
    const handler = l402(options)(route, () => new Response('sunny'))
    return (request) => handler(request, {})
  },
  'a proxy': (options, route) => proxyL402(options)(route, () => new Response('sunny')),
}

const ROUTE: L402Route = { name: '/forecast', price: '10 sat', grants: { valid: '1h' } }

describe.each(Object.entries(mounts))('the address of a request to %s of Next', (_name, mount) => {
  let lightning: MemoryLightning
  let proved: string[]
  beforeEach(() => {
    lightning = memoryLightning()
    proved = []
  })

  /** Takes `DPoP: <thumbprint> <number>` for a proof. */
  const dpop: ProofVerifier = async ({ headers, url, nowMs }) => {
    const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'dpop')
    if (at < 0) return { ok: false, detail: 'expected one DPoP line' }
    proved.push(url)
    return {
      ok: true,
      thumbprint: headers[at + 1] ?? '',
      mark: new Uint8Array(32).fill(1),
      untilMs: nowMs + 1000,
    }
  }

  function open(options: Partial<L402Options> = {}) {
    const ask = mount(
      {
        lightning,
        store: memoryStore(),
        keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
        services: { weather: {} },
        dpop,
        ...options,
      },
      ROUTE,
    )
    return (headers: Record<string, string>, init: RequestInit & { readonly scheme?: string } = {}) =>
      ask(new Request(`${init.scheme ?? 'http'}://localhost:3000/forecast`, { ...init, headers }))
  }

  const buy = (answer: Response): Promise<string> => payResponse(lightning, answer)

  const payment = { 'accept-payment': '*/*' }

  it.each(['shop.example', 'shop.example:3000', '192.0.2.7:3000', 'localhost.shop.example'])(
    'is that of its Host line: over plain HTTP at %s there is no Payment challenge (P-S 1)',
    async (host) => {
      const answer = await open({ payment: 'always' })({ ...payment, host })
      expect(answer.headers.get('www-authenticate')).toContain('L402 ')
      expect(answer.headers.get('www-authenticate')).not.toContain('Payment ')
    },
  )

  it.each([
    ['http', '127.0.0.1:3000', '127.0.0.1:3000'],
    ['https', 'Shop.Example', 'shop.example'],
  ])('names the realm by it: %s at %s', async (scheme, host, realm) => {
    const answer = await open({ payment: 'always' })({ ...payment, host }, { scheme })
    expect(answer.headers.get('www-authenticate')).toContain(`realm="${realm}"`)
  })

  it.each([{}, { host: 'a.example, b.example' }, { host: 'user@127.0.0.1' }, { host: '127.0.0.1/x' }])(
    'is not known without a good Host line: %j',
    async (headers) => {
      const answer = await open({ payment: 'always' })({ ...payment, ...(headers as Record<string, string>) })
      expect(answer.status).toBe(402)
      expect(answer.headers.get('www-authenticate')).not.toContain('Payment ')
    },
  )

  it.each([
    [undefined, 'http://shop.example/forecast'],
    ['https://public.example', 'https://public.example/forecast'],
  ])('is what proofs of possession are checked against; an origin of %s goes first', async (origin, url) => {
    const ask = open(origin === undefined ? {} : { origin })
    const host = 'shop.example'
    const bound = narrowed(await buy(await ask({ host })), `dpop_jkt=${'A'.repeat(43)}`)
    expect((await ask({ host, authorization: bound, dpop: 'A'.repeat(43) })).status).toBe(200)
    expect(proved).toEqual([url])
  })

  it('is what the Origin of a form must be for its cookie to count', async () => {
    const ask = open()
    const host = 'shop.example'
    const credential = await buy(await ask({ host }))
    const plain = credential.slice(5).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
    const page = await ask({ host, accept: 'text/html' })
    const name = /(l402-[0-9a-f]{8})-/.exec(page.headers.getSetCookie().join())?.[1]
    const post = async (origin: string): Promise<number> => {
      const answer = await ask({ host, origin, cookie: `${name}=${plain}` }, { method: 'POST', body: 'a=b' })
      return answer.status
    }
    expect(await post('http://shop.example')).toBe(200)
    for (const other of ['http://localhost:3000', 'https://shop.example', 'http://evil.example'])
      expect(await post(other)).toBe(402)
  })
})
