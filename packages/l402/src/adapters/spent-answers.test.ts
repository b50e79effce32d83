/** Handlers that answer with what cannot be sent: whatever is thrown for it, nobody pays for it. */

import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { payResponse } from '../../test/matrix.ts'
import { memoryLightning } from '../lightning/memory.ts'
import { paywall } from '../server/paywall.ts'
import type { L402Options, L402Route } from '../server/route-gates.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { l402 as fetchL402 } from './fetch.ts'
import { l402 as honoL402 } from './hono.ts'
import { l402 as nextL402 } from './next.ts'
import { l402 as trpcL402 } from './trpc.ts'

type Ask = (request: Request) => Response | Promise<Response>
type Handler = () => Response | Promise<Response>
type Mount = (options: L402Options, terms: Omit<L402Route, 'name'>, handler: Handler) => Ask

const NAME = 'GET /forecast'

const mounts: Readonly<Record<string, Mount>> = {
  fetch: (options, terms, handler) => fetchL402(options)({ ...terms, name: NAME }, handler),
  Hono: (options, terms, handler) => {
    const app = new Hono()
    app.get('/forecast', honoL402(options)({ ...terms, name: NAME }), handler)
    app.onError((error, c) => c.text(error.message, 500))
    return (request) => app.fetch(request)
  },
  Next: (options, terms, handler) => {
    const get = nextL402(options)({ ...terms, name: NAME }, handler)
    return (request) => get(request, {})
  },
  tRPC: (options, terms, handler) =>
    trpcL402(options)({ forecast: terms }, { endpoint: '/', handle: handler }),
  'the paywall': ({ services: _, ...options }, terms, handler) => {
    const gate = paywall({ ...options, services: { weather: { routes: [{ ...terms, match: NAME }] } } })
    return async (request) => {
      const result = await gate(request)
      return result.outcome === 'refuse' ? result.response : result.serve(handler)
    }
  },
}

/** What a handler may do wrong; each makes one answer. */
const faults: Readonly<Record<string, () => Promise<Response>>> = {
  'nothing at all': async () => undefined as unknown as Response,
  'an error that is no answer': async () => Response.error(),
  'a Response that was read': async () => {
    const response = new Response('sunny')
    await response.text()
    return response
  },
  'a Response that somebody reads': async () => {
    const response = new Response('sunny')
    response.body?.getReader()
    return response
  },
}

const terms: Readonly<Record<string, Omit<L402Route, 'name'>>> = {
  counted: { price: '10 sat', grants: { calls: 2 } },
  metered: {
    price: '10 sat',
    grants: { credit: '10 sat' },
    charge: { responseBytes: '1 sat', estimate: '5 sat' },
  },
}

const HOST = { host: 'shop.example' }

async function open(mount: Mount, offer: Omit<L402Route, 'name'>, handler: Handler) {
  const lightning = memoryLightning()
  const options = {
    lightning,
    store: memoryStore(),
    keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
    services: { weather: {} },
  }
  const ask = mount(options, offer, handler)
  const unpaid = await ask(new Request('http://shop.example/forecast', { headers: HOST }))
  const authorization = await payResponse(lightning, unpaid)
  const again = (): Request =>
    new Request('http://shop.example/forecast', { headers: { ...HOST, authorization } })
  return {
    /** What the client has of it: the answer with its body read, or the error's message. */
    async use(): Promise<{ readonly status: number; readonly text: string; readonly left: string | null }> {
      try {
        const response = await ask(again())
        const left = response.headers.get('ratelimit')
        return { status: response.status, text: await response.text(), left }
      } catch (error) {
        return { status: 500, text: error instanceof Error ? error.message : String(error), left: null }
      }
    },
  }
}

describe.each(Object.entries(mounts))('an answer that cannot be sent, in %s', (_name, mount) => {
  describe.each(Object.entries(terms))('on a %s route', (kind, offer) => {
    it.each(Object.entries(faults))('is not paid for: %s', async (_, make) => {
      let answer = make
      const { use } = await open(mount, offer, () => answer())
      for (let i = 0; i < 5; i++) {
        const { status, text } = await use()
        expect(status).toBe(500)
        expect(text).toMatch(/^invalid answer: expected /)
      }
      answer = async () => new Response('sunny')
      const good = await use()
      const whole = kind === 'counted' ? '"calls";r=1' : '"credit";r=5000'
      expect(good).toEqual({ status: 200, text: 'sunny', left: whole })
    })
  })

  it('is refused where one Response is given twice, and the first is paid for', async () => {
    const shared = new Response('sunny')
    let answer = (): Response => shared
    const { use } = await open(mount, { price: '10 sat', grants: { calls: 3 } }, () => answer())
    expect(await use()).toMatchObject({ status: 200, text: 'sunny', left: '"calls";r=2' })
    for (let i = 0; i < 5; i++) expect(await use()).toMatchObject({ status: 500 })
    answer = () => new Response('sunny again')
    expect(await use()).toMatchObject({ status: 200, text: 'sunny again', left: '"calls";r=1' })
  })
})
