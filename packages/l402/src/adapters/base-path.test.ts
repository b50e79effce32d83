/** A server below a path that its handlers do not see: what clients are told, and what they say, is the public path. */

import { Hono } from 'hono'
import { beforeEach, describe, expect, it } from 'vitest'
import { narrowed } from '../../test/gate-bench.ts'
import { hostileTargets } from '../../test/hostile-targets.ts'
import { payResponse } from '../../test/matrix.ts'
import { type MemoryLightning, memoryLightning } from '../lightning/memory.ts'
import type { ProofVerifier } from '../server/dpop.ts'
import { paywall } from '../server/paywall.ts'
import type { L402Route, MountedOptions } from '../server/route-gates.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { l402 as fetchL402 } from './fetch.ts'
import { l402 as honoL402 } from './hono.ts'
import { l402 as nextL402 } from './next.ts'
import { l402 as proxyL402 } from './next-proxy.ts'
import { l402 as trpcL402 } from './trpc.ts'

type Ask = (request: Request) => Promise<Response>
type Mount = (options: MountedOptions, route: L402Route, handler: () => Response) => Ask

const BASE = 'http://shop.example'

/** What stands in front takes the base path off; below it there is one pattern, `/forecast/*`, and the root. */
function stripped(handle: Ask, origin = BASE): Ask {
  return async (request) => {
    const { pathname, search } = new URL(request.url)
    const path = pathname === '/b' ? '/' : pathname.startsWith('/b/') ? pathname.slice(2) : '/none'
    if (path !== '/' && !/^\/forecast\/[^/]+$/.test(path)) return new Response('none', { status: 404 })
    return handle(new Request(`${origin}${path}${search}`, request))
  }
}

const mounts: Readonly<Record<string, Mount>> = {
  'paywall()': ({ services, ...options }, { name: _, ...offer }, handler) => {
    const [[service = '', terms] = []] = Object.entries(services)
    const routes = ['/forecast/*', '/'].map((path) => ({ match: `GET ${path}`, ...offer }))
    const gate = paywall({ ...options, services: { [service]: { ...terms, routes } } })
    return stripped(async (request) => {
      const result = await gate(request)
      return result.outcome === 'refuse' ? result.response : result.serve(handler)
    })
  },
  fetch: (options, route, handler) => stripped(fetchL402(options)(route, handler)),
  'Hono’s mount': (options, route, handler) => {
    const child = new Hono()
    const toll = honoL402(options)(route)
    child.get('/forecast/:city', toll, handler)
    child.get('/', toll, handler)
    const parent = new Hono().mount('/b', child.fetch)
    return async (request) => parent.fetch(request)
  },
  // As Next 16 shows it to a route handler: the base path gone, and the address that Next listens at.
  'Next’s route handlers': (options, route, handler) => {
    const get = nextL402(options)(route, handler)
    return stripped((request) => get(request, {}), 'http://localhost:3000')
  },
  'Next’s route handlers on its edge runtime': (options, route, handler) => {
    const get = nextL402(options)(route, handler)
    return (request) => {
      const seen = new Request(request.url.replace(BASE, 'http://localhost:3000'), request)
      return get(Object.assign(seen, { nextUrl: { basePath: options.basePath ?? '' } }), {})
    }
  },
  // As Next 16 shows it to a proxy: with the base path.
  'Next’s proxy': (options, route, handler) => {
    const proxy = proxyL402(options)(route, handler)
    return (request) => proxy(new Request(request.url.replace(BASE, 'http://localhost:3000'), request))
  },
}

const ROUTE: L402Route = { name: 'GET /forecast/[city]', price: '10 sat', grants: { valid: '1h' } }

let lightning: MemoryLightning
let proved: string[]
let runs: number
/** Takes `DPoP: <thumbprint> <number>` for a proof. */
const dpop: ProofVerifier = async ({ headers, url, nowMs }) => {
  const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'dpop')
  if (at < 0) return { ok: false, detail: 'expected one DPoP line' }
  proved.push(url)
  const mark = new Uint8Array(32).fill(proved.length)
  return { ok: true, thumbprint: headers[at + 1] ?? '', mark, untilMs: nowMs + 1000 }
}

function optionsWith(basePath?: string): MountedOptions {
  return {
    lightning,
    store: memoryStore(),
    keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
    services: { weather: {} },
    challengeLimit: { limit: 10_000, perSeconds: 1 },
    dpop,
    ...(basePath === undefined ? {} : { basePath }),
  }
}

const asked = (path: string, headers: Record<string, string> = {}): Request =>
  new Request(`${BASE}${path}`, { headers: { host: 'shop.example', ...headers } })

const pay = (answer: Response): Promise<string> => payResponse(lightning, answer)

describe('below a base path, in tRPC', () => {
  it('holds narrowed copies to the public path', async () => {
    lightning = memoryLightning()
    const server = { endpoint: '/trpc', handle: async () => new Response('sunny') }
    const open = trpcL402(optionsWith('/b'))({ weather: { price: '1 sat', grants: { valid: '1h' } } }, server)
    const get = (headers = {}) => open(new Request(`${BASE}/trpc/weather`, { headers }))
    const authorization = await pay(await get())
    const narrow = (paths: string) => ({ authorization: narrowed(authorization, `weather_paths=${paths}`) })
    expect((await get(narrow('/b/trpc/weather'))).status).toBe(200)
    expect((await get(narrow('/trpc/weather'))).status).toBe(402)
  })
})

describe.each(Object.entries(mounts))('below a base path, in %s', (_name, mount) => {
  let ask: Ask
  beforeEach(() => {
    lightning = memoryLightning()
    proved = []
    runs = 0
    ask = mount(optionsWith('/b'), ROUTE, () => {
      runs++
      return new Response('sunny')
    })
  })

  it('a browser that pays has the page, and what it bought opens the others of the route', async () => {
    const jar = new Map<string, { text: string; path: string }>()
    const browse = async (path: string, headers: Record<string, string>): Promise<Response> => {
      // RFC 6265 §5.1.4
      const sent = [...jar].filter(([, { path: of }]) => path === of || path.startsWith(`${of}/`))
      const cookie = sent.map(([name, { text }]) => `${name}=${text}`).join('; ')
      const answer = await ask(asked(path, { ...headers, ...(cookie === '' ? {} : { cookie }) }))
      for (const line of answer.headers.getSetCookie()) {
        const [, name = '', text = '', of = ''] = /^([^=]+)=([^;]*); Path=([^;]+);/.exec(line) ?? []
        jar.set(name, { text, path: of })
      }
      return answer
    }
    const page = await browse('/b/forecast/oslo', { accept: 'text/html' })
    expect(page.headers.getSetCookie().join()).toContain('; Path=/b/forecast;')
    await pay(page)
    const state = await browse('/b/forecast/oslo', { accept: 'application/json', 'l402-page': '00' })
    expect(await state.json()).toEqual({ state: 'paid' })
    for (const path of ['/b/forecast/oslo', '/b/forecast/bergen'])
      expect((await browse(path, { accept: 'text/html' })).status).toBe(200)
  })

  it('holds proofs of possession and narrowed copies to the public path', async () => {
    const authorization = await pay(await ask(asked('/b/forecast/oslo')))
    const bound = {
      authorization: narrowed(authorization, `dpop_jkt=${'A'.repeat(43)}`),
      dpop: 'A'.repeat(43),
    }
    expect((await ask(asked('/b/forecast/oslo?day=1', bound))).status).toBe(200)
    expect(proved).toEqual([`${BASE}/b/forecast/oslo`])
    const narrow = (paths: string) => ({ authorization: narrowed(authorization, `weather_paths=${paths}`) })
    expect((await ask(asked('/b/forecast/oslo', narrow('/b/forecast/oslo')))).status).toBe(200)
    expect((await ask(asked('/b/forecast/bergen', narrow('/b/forecast/oslo')))).status).toBe(402)
    expect((await ask(asked('/b/forecast/oslo', narrow('/forecast/oslo')))).status).toBe(402)
  })

  it('takes the root of the server for the base path itself', async () => {
    const authorization = narrowed(await pay(await ask(asked('/b'))), 'weather_paths=/b')
    expect((await ask(asked('/b', { authorization }))).status).toBe(200)
    expect((await ask(asked('/b?day=1', { authorization }))).status).toBe(200)
    expect((await ask(asked('/b/forecast/oslo', { authorization }))).status).toBe(402)
  })

  it('lets nothing pass for another path, however it is spelt', async () => {
    const elsewhere = narrowed(await pay(await ask(asked('/b/forecast/y'))), 'weather_paths=/b/forecast/y')
    const targets = hostileTargets('forecast', 'x').flatMap((target) => [`/b${target}`, target])
    for (const target of targets.filter((each) => each.startsWith('/') && URL.canParse(`${BASE}${each}`)))
      for (const headers of [{}, { authorization: elsewhere }]) {
        const answer = await ask(asked(target, headers))
        expect([400, 402, 404], target).toContain(answer.status)
      }
    expect(runs).toBe(0)
  })

  it.each(['b', '/', '/b/', '//b', '/b/../c', '/b?x=1', '/b#x', '/%62', 'https://shop.example/b', '/b c'])(
    'is refused at set-up: %s',
    (basePath) => {
      expect(() => mount(optionsWith(basePath), ROUTE, () => new Response())).toThrow(
        'invalid basePath: expected a path in normal form, without a slash at its end, e.g. /shop',
      )
    },
  )

  it('is none where it is empty, as in Next’s own configuration', async () => {
    const open = mount(optionsWith(''), ROUTE, () => new Response('sunny'))
    expect((await open(asked('/b/forecast/oslo'))).status).toBe(402)
  })
})
