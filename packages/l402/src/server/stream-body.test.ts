/** The event stream of a session as a `Response`: through the paywall, and where a handler says what it costs. */

import { describe, expect, it, vi } from 'vitest'
import { dataOf, depositAt, numbersIn } from '../../test/matrix-sessions.ts'
import { l402 } from '../adapters/fetch.ts'
import { decodeBase64 } from '../core/bytes.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon } from '../core/macaroon.ts'
import { memoryLightning } from '../lightning/memory.ts'
import { memoryStore } from '../stores/memory/index.ts'
import type { L402Access } from './access.ts'
import { sessions } from './payment-scheme/session/desk.ts'
import { type PaywallRoute, paywall } from './paywall.ts'

const METERED: PaywallRoute = {
  match: 'POST /events',
  price: '10 sat',
  grants: { credit: '10 sat' },
  charge: { events: '3 sat', estimate: '4 sat' },
}
const URL = 'https://api.example/events'
const SSE = { 'Content-Type': 'text/event-stream' }
const event = (n: number): string => `data: ${n}\n\n`
const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

type Handler = (access: L402Access | null) => Response | Promise<Response>

/** A seller over fetch, and a client with a session of its. */
async function open(
  handler: Handler,
  { route = METERED, adapter = false }: { readonly route?: PaywallRoute; readonly adapter?: boolean } = {},
) {
  const lightning = memoryLightning()
  const store = memoryStore()
  const desk = sessions({ store, network: lightning.network, idleTimeoutSeconds: null })
  const seller = {
    ...{ lightning, store, sessions: desk },
    challenges: { reuse: false as const },
    keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
  }
  const { match, ...offer } = route
  const gate = paywall({ ...seller, services: { llm: { routes: [route] } } })
  const serve = adapter
    ? l402({ ...seller, services: { llm: {} } })({ ...offer, name: match }, (_request, access) =>
        handler(access),
      )
    : async (request: Request): Promise<Response> => {
        const result = await gate(request)
        return result.outcome === 'refuse' ? result.response : result.serve(() => handler(null))
      }
  const ask = (headers: Record<string, string>, body = '?'): Promise<Response> =>
    serve(new Request(URL, { method: 'POST', body, headers }))
  const session = await depositAt({ lightning, ask })
  const macaroon = /^L402 ([^:]+):/.exec(session.credential)?.[1] ?? ''
  const { identifier } = decodeMacaroon(decodeBase64(macaroon) as Uint8Array)
  const { tokenId } = decodeIdentifier(identifier)
  return {
    ...session,
    ask,
    used: async () => (await store.read([tokenId]))[0]?.used,
    async stream(lines: Record<string, string> = {}) {
      const response = await ask({ ...session.lines, ...lines })
      const reader = (response.body as ReadableStream<Uint8Array>).getReader()
      let text = ''
      const read = async (): Promise<boolean> => {
        const { done, value } = await reader.read()
        text += new TextDecoder().decode(value)
        return done
      }
      return {
        response,
        reader,
        read,
        text: () => text,
        until: async (part: string) => {
          while (!text.includes(part) && !(await read()));
          expect(text).toContain(part)
        },
        rest: async () => {
          while (!(await read()));
        },
      }
    },
  }
}

/** A body whose pieces are told when they are asked for. */
function body(...pieces: readonly (string | Error)[]) {
  const asked: (string | Error)[] = []
  const cancelled = vi.fn()
  const left = [...pieces]
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        const next = left.shift()
        if (next !== undefined) asked.push(next)
        if (next === undefined) controller.close()
        else if (typeof next === 'string') controller.enqueue(encode(next))
        else controller.error(next)
      },
      cancel: cancelled,
    },
    { highWaterMark: 0 },
  )
  return { stream, asked, cancelled }
}

describe('a Response that is the event stream of a session', () => {
  it('is read as its client reads, not at all while it waits, and settled before the receipt is out', async () => {
    const { stream, asked } = body(event(1), 'data: 2', '\n\n', event(3), event(4), 'data: [DONE]\n\n')
    const session = await open(
      () => new Response(stream, { headers: { ...SSE, 'Content-Length': '7', 'X-Id': '7' } }),
    )
    const { response, read, text, until, rest } = await session.stream()
    expect(response.headers.get('content-length')).toBeNull()
    expect(response.headers.get('x-id')).toBe('7')
    expect(response.headers.get('payment-receipt')).not.toBeNull()
    expect(asked).toEqual([])
    await read()
    expect([text(), asked]).toEqual([event(1), [event(1)]])
    await until('payment-need-topup')
    expect(numbersIn(text())).toEqual(['1', '2', '3'])
    expect(asked.at(-1)).toBe(event(4))
    expect(await session.topUp()).toEqual({ status: 'ok' })
    await until('payment-receipt')
    expect(await session.used()).toBe(12_000n)
    await rest()
    expect(text()).toMatch(/data: 4\n\nevent: payment-receipt\n.*\n\ndata: \[DONE\]\n\n$/)
    expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 12, units: 4 }])
  })

  it('charges what has gone out where the client cancels it while it waits, and lets go of the handler’s body', async () => {
    const { stream, cancelled } = body(event(1) + event(2) + event(3), event(4), event(5))
    const session = await open(() => new Response(stream, { headers: SSE }))
    const { reader, until } = await session.stream()
    await until('payment-need-topup')
    expect(await session.used()).toBe(10_000n)
    await reader.cancel('enough')
    expect(cancelled).toHaveBeenCalledWith('enough')
    expect(await session.used()).toBe(9_000n)
  })

  it('charges its estimate where nobody ever reads it', async () => {
    const { stream, asked } = body(event(1))
    const session = await open(() => new Response(stream, { headers: SSE }))
    const { reader } = await session.stream()
    await reader.cancel()
    expect([asked, await session.used()]).toEqual([[], 4_000n])
  })

  it('charges what is certain where the handler’s body fails, and gives back what is not', async () => {
    const broken = new Error('the handler’s own')
    const later = await open(() => new Response(body(event(1), event(2), broken).stream, { headers: SSE }))
    const one = await later.stream()
    await expect(one.rest()).rejects.toThrow('the handler’s own')
    expect([numbersIn(one.text()), await later.used()]).toEqual([['1', '2'], 6_000n])

    const atOnce = await open(() => new Response(body(broken).stream, { headers: SSE }))
    await expect((await atOnce.stream()).rest()).rejects.toThrow('the handler’s own')
    expect(await atOnce.used()).toBe(0n)
  })

  it('ends with session-timeout where the session is closed meanwhile, and lets go of the handler’s body', async () => {
    const { stream, cancelled } = body(event(1) + event(2) + event(3), event(4), event(5))
    const session = await open(() => new Response(stream, { headers: SSE }))
    const { until, rest, text } = await session.stream()
    await until('payment-need-topup')
    await session.close()
    await rest()
    expect(text()).toMatch(/\nevent: session-timeout\ndata: .*\n\n$/)
    expect(cancelled).toHaveBeenCalledOnce()
    expect(await session.used()).toBe(9_000n)
  })

  it('has a receipt where it has no event, or no body at all', async () => {
    for (const empty of ['', null]) {
      const session = await open(() => new Response(empty, { headers: SSE }))
      const { rest, text } = await session.stream()
      await rest()
      expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 0, units: 0 }])
      expect(await session.used()).toBe(0n)
    }
  })

  it('is one call of a bundle, used when it is whole', async () => {
    const route = { match: 'POST /events', price: '10 sat', grants: { calls: 5 } }
    const session = await open(
      () => new Response(body(event(1), event(2), event(3)).stream, { headers: SSE }),
      { route },
    )
    const { rest, text } = await session.stream()
    await rest()
    expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 2, units: 3 }])
    expect((await session.ask(session.lines)).headers.get('ratelimit')).toBe('"calls";r=3')
  })

  it('costs what the handler says, event by event', async () => {
    const route = { ...METERED, charge: { byHandler: true, estimate: '4 sat' } } as const
    const session = await open(
      (access) => {
        let n = 0
        const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
          {
            pull(controller) {
              if (++n > 4) return controller.close()
              access?.charge(3_000n)
              controller.enqueue(encode(event(n)))
            },
          },
          { highWaterMark: 0 },
        )
        return new Response(stream, { headers: SSE })
      },
      { route, adapter: true },
    )
    const { until, rest, text } = await session.stream()
    await until('"balanceRequired":3')
    expect(numbersIn(text())).toEqual(['1', '2', '3'])
    await session.topUp()
    await rest()
    expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 12, units: 4 }])
    expect(await session.used()).toBe(12_000n)
  })

  it('is kept for the same Idempotency-Key without what the session said in it, and without a length', async () => {
    const handler = vi.fn(
      () =>
        new Response(body(event(1) + event(2) + event(3), 'data: 4').stream, {
          headers: { ...SSE, 'Content-Length': '31' },
        }),
    )
    const session = await open(handler)
    const key = { 'Idempotency-Key': 'k1' }
    const { until, rest, text } = await session.stream(key)
    await until('payment-need-topup')
    await session.topUp()
    await rest()
    expect(text()).toContain('payment-receipt')
    const again = await session.ask({ ...session.lines, ...key })
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(again.headers.get('content-length')).toBeNull()
    expect(await again.text()).toBe(event(1) + event(2) + event(3) + event(4))
    expect(handler).toHaveBeenCalledOnce()
    expect(await session.used()).toBe(12_000n)
  })
})
