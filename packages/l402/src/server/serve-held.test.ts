import { describe, expect, it } from 'vitest'
import { decodeBase64 } from '../core/bytes.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { formatCredential } from '../core/credential.ts'
import { decodeIdentifier } from '../core/identifier.ts'
import { decodeMacaroon } from '../core/macaroon.ts'
import { memoryLightning } from '../lightning/memory.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { type PaywallPass, type PaywallRoute, paywall } from './paywall.ts'

const keys = [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }]

/** A seller with one route, and a buyer of it. */
async function open(route: PaywallRoute) {
  const lightning = memoryLightning()
  const store = memoryStore()
  const gate = paywall({ lightning, store, keys, services: { llm: { routes: [route] } } })
  const first = await gate(new Request('https://api.example/chat', { method: 'POST' }))
  const header = first.outcome === 'refuse' ? first.response.headers.get('www-authenticate') : null
  const [challenge] = findL402Challenges([header ?? ''])
  if (challenge === undefined) throw new Error('expected a challenge')
  const { identifier } = decodeMacaroon(decodeBase64(challenge.macaroon) as Uint8Array)
  const { paymentHash, tokenId } = decodeIdentifier(identifier)
  const paid = await lightning.pay({
    invoice: challenge.invoice,
    paymentHash,
    amountMsat: 100_000n,
    maxFeeMsat: 0n,
    timeoutMs: 1000,
  })
  if (paid.status !== 'paid') throw new Error(paid.status)
  const authorization = formatCredential(challenge.macaroon, paid.preimage)
  const ask = (body: string, headers: Record<string, string> = {}, signal: AbortSignal | null = null) =>
    gate(
      new Request('https://api.example/chat', {
        method: 'POST',
        body,
        headers: { authorization, ...headers },
        signal,
      }),
    )
  return {
    ask,
    async pass(...asked: Parameters<typeof ask>): Promise<PaywallPass> {
      const result = await ask(...asked)
      if (result.outcome === 'refuse') throw new Error(`expected a pass, got ${result.response.status}`)
      return result
    },
    used: async (): Promise<unknown> => (await store.read([tokenId]))[0],
  }
}

const METERED: PaywallRoute = {
  match: 'POST /chat',
  price: '100 sat',
  grants: { credit: '100 sat' },
  charge: { responseBytes: '10 msat', estimate: '1 sat' },
}
/** What an answer costs is known at its end alone. */
const ESTIMATED: PaywallRoute = {
  ...METERED,
  charge: { json: { field: 'cost', rate: '1 msat/1' }, estimate: '1 sat' },
}
const account = (used: bigint) => ({ used, credited: 100_000n, lost: 0n })

function stream(...chunks: readonly (string | Error)[]): ReadableStream<Uint8Array> {
  const left = [...chunks]
  return new ReadableStream({
    pull(controller) {
      const next = left.shift()
      if (next === undefined) controller.close()
      else if (typeof next === 'string') controller.enqueue(new TextEncoder().encode(next))
      else controller.error(next)
    },
  })
}

describe('a handler of a metered route', () => {
  it('is charged what its answer came to, and the client has its end only then', async () => {
    const { pass, used } = await open(METERED)
    const response = await (await pass('why?')).serve(() => new Response(stream('hello ', 'world')))
    expect(response.headers.get('ratelimit')).toBe('"credit";r=99000')
    expect(await response.text()).toBe('hello world')
    expect(await used()).toEqual(account(110n))
  })

  it('is charged before a body that lies in memory is handed over, and that of a stream goes out piece by piece', async () => {
    const { pass, used } = await open(METERED)
    const whole = await (await pass('a')).serve(
      () => new Response('hello world', { headers: { 'x-id': '7' } }),
    )
    expect(await used()).toEqual(account(110n))
    expect([await whole.text(), whole.headers.get('x-id')]).toEqual(['hello world', '7'])
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const pieces = ['first', 'last']
    const slowly = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const piece = pieces.shift()
        if (piece === 'last') await held
        if (piece === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(piece))
      },
    })
    const slow = await (await pass('b')).serve(() => new Response(slowly))
    const reader = slow.body?.getReader()
    expect((await reader?.read())?.value).toEqual(new TextEncoder().encode('first'))
    release()
    expect((await reader?.read())?.value).toEqual(new TextEncoder().encode('last'))
    expect((await reader?.read())?.done).toBe(true)
    expect(await used()).toEqual(account(200n))
  })

  it('charges what was measured when the client leaves, and what is certain when the handler breaks off', async () => {
    const { pass, used } = await open(METERED)
    const left = await (await pass('a')).serve(() => new Response(stream('12345', '67890', 'never')))
    const reader = left.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    const measured = (await used()) as { used: bigint }
    expect([50n, 100n]).toContain(measured.used)
    const broken = await (await pass('b')).serve(() => new Response(stream('12345', new Error('upstream'))))
    await expect(broken.text()).rejects.toThrow('upstream')
    expect(await used()).toEqual(account(measured.used + 50n))
  })

  it.each<[string, (reason: Error) => Response]>([
    [
      'throws',
      (reason) => {
        throw reason
      },
    ],
    ['answers 5xx', () => new Response('gone', { status: 503 })],
  ])('is charged where it %s because the client has gone', async (_, ending) => {
    const { pass, used } = await open(ESTIMATED)
    const left = new AbortController()
    const served = (await pass('x', {}, left.signal)).serve(async () => {
      await new Promise((resolve) => left.signal.addEventListener('abort', resolve))
      return ending(new Error('aborted'))
    })
    left.abort()
    await served.catch(() => {})
    expect(await used()).toMatchObject({ used: 1_000n })
  })

  it('is charged where its source ends because the client has gone', async () => {
    const { pass, used } = await open(ESTIMATED)
    const left = new AbortController()
    const result = await pass('x', {}, left.signal)
    const source = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('part'))
        left.signal.addEventListener('abort', () => controller.error(new Error('aborted')))
      },
    })
    const answer = await result.serve(() => new Response(source))
    const reader = answer.body?.getReader()
    await reader?.read()
    left.abort()
    await expect(reader?.read()).rejects.toThrow()
    // What it came to is not known: the estimate stands, as where the client cancels.
    expect(await used()).toMatchObject({ used: 1_000n })
  })

  it('is not charged for a 5xx answer or an error', async () => {
    const { pass, used } = await open(METERED)
    await (await pass('a')).serve(() => new Response('busy', { status: 503 }))
    const failing = (await pass('b')).serve(() => Promise.reject(new Error('mine')))
    await expect(failing).rejects.toThrow('mine')
    expect(await used()).toEqual(account(0n))
  })

  it('answers a repeated Idempotency-Key from the books, charged once', async () => {
    const { ask, pass, used } = await open(METERED)
    const key = { 'idempotency-key': 'k1' }
    const made = () => new Response(stream('made ', 'once'), { status: 201, headers: { 'x-id': '7' } })
    await (await (await pass('body', key)).serve(made)).text()
    const again = await ask('body', key)
    if (again.outcome !== 'refuse') throw new Error('expected the stored answer')
    expect(again.response.status).toBe(201)
    expect(again.response.headers.get('x-id')).toBe('7')
    expect(again.response.headers.get('idempotency-replayed')).toBe('true')
    expect(await again.response.text()).toBe('made once')
    const other = await ask('another body', key)
    expect(other.outcome === 'refuse' && other.response.status).toBe(409)
    const large = await ask('x'.repeat(1_048_577), key)
    expect(large.outcome === 'refuse' && large.response.status).toBe(413)
    expect(await used()).toEqual(account(90n))
  })
})
