/** Event streams on a session (draft-lightning-session-00, Streaming), through the real program. */

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from './client.ts'
import { cleanUp, type Program, serve, start } from './program.ts'
import { act, type Deposit, deposit, lineOf, returnInvoice } from './session-client.ts'
import { creditAt, dataOf, events, said, topUpAt } from './session-events.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

const ROUTES = [
  '{ match: "/events/*", price: 10 sat, grants: { credit: 10 sat }, charge: { events: 2 sat, estimate: 2 sat } }',
  '{ match: "/bytes/*", price: 10 sat, grants: { credit: 10 sat }, charge: { responseBytes: 1 msat, estimate: 1 sat } }',
  '{ match: "/bundle/*", price: 10 sat, grants: { calls: 5 } }',
]

let upstream: Upstream
let gateway: Program
/** Streams that the upstream has begun, by path. */
const streams = new Map<string, ServerResponse>()

function answer(req: IncomingMessage, res: ServerResponse): void {
  const url = req.url ?? ''
  if (url.includes('whole')) {
    const body = `${events(1, 3)}data: [DONE]\n\n`
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Content-Length': body.length })
    res.end(body)
  } else if (url.includes('coded')) {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Content-Encoding': 'gzip' })
    res.end(gzipSync(events(1, 3)))
  } else {
    res.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    res.flushHeaders()
    streams.set(url, res)
  }
}

beforeAll(async () => {
  upstream = await startUpstream(answer)
  gateway = await start({ upstream: upstream.origin, routes: ROUTES })
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

/** An event stream, and what has come of it. */
interface Stream {
  readonly socket: Socket
  text(): string
  /** Nothing more comes. `whole`: the answer ended as HTTP says. */
  readonly ended: Promise<{ readonly whole: boolean }>
}

/** Opens a session and reads its answer as it comes. */
async function stream(
  paid: Deposit,
  path: string,
  { method = 'GET', headers = '', on = gateway }: { method?: string; headers?: string; on?: Program } = {},
): Promise<Stream> {
  const open = { action: 'open', preimage: paid.preimage, returnInvoice: returnInvoice() }
  const socket = connect(on.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${on.port}\r\nConnection: close\r\n${headers}` +
      `Authorization: ${lineOf(paid.challenge, open)}\r\n\r\n`,
  )
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece
  })
  const ended = once(socket, 'close').then(() => ({ whole: /\r\n0\r\n\r\n$/.test(text) }))
  // Without the chunks' lengths.
  const plain = (): string => text.replaceAll(/\r\n[0-9a-f]+\r\n/g, '')
  return { socket, text: plain, ended }
}

/** The upstream's side of a stream. */
async function upstreamOf(path: string): Promise<ServerResponse> {
  await until(() => streams.has(path), 'the upstream has the request')
  return streams.get(path) as ServerResponse
}

const creditOf = (paid: Deposit, on: Program = gateway) => creditAt(on, paid)
const topUp = (paid: Deposit, path: string, on: Program = gateway) => topUpAt(on, paid, path)

describe('an event stream on a session', () => {
  it('waits where the balance is used up, goes on after a top-up, and ends with a receipt', async () => {
    const path = '/events/a'
    const paid = await deposit(gateway, { path })
    const reading = await stream(paid, path)
    const res = await upstreamOf(path)
    res.write(events(1, 12))
    await until(() => said(reading.text(), 'payment-need-topup').length === 1, 'a top-up is asked for')
    const shortage = { sessionId: paid.sessionId, balanceSpent: 10, balanceRequired: 2 }
    expect(said(reading.text(), 'payment-need-topup')).toEqual([shortage])
    expect(dataOf(reading.text())).toEqual(['1', '2', '3', '4', '5'])

    const seen = upstream.seen.length
    await topUp(paid, path)
    await until(() => said(reading.text(), 'payment-need-topup').length === 2, 'another one is asked for')
    expect(dataOf(reading.text())).toHaveLength(10)
    await topUp(paid, path)
    await until(() => dataOf(reading.text()).length === 12, 'it goes on')
    expect(upstream.seen).toHaveLength(seen)
    res.end('data: [DONE]\n\n')
    expect(await reading.ended).toEqual({ whole: true })
    const text = reading.text()
    expect(said(text, 'payment-receipt')).toEqual([
      {
        ...{ method: 'lightning', reference: paid.sessionId, status: 'success', spent: 24, units: 12 },
        timestamp: expect.stringMatching(/^20/),
      },
    ])
    expect(text.indexOf('payment-receipt')).toBeGreaterThan(text.indexOf('data: 12'))
    expect(text.indexOf('data: [DONE]')).toBeGreaterThan(text.indexOf('payment-receipt'))
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(text).toContain('Payment-Receipt: ')
    expect(await creditOf(paid)).toMatchObject({ creditedMsat: 30_000, leftMsat: 6_000 })
    expect(said(text, 'session-timeout')).toEqual([])
  })

  it('goes on after a top-up that another process has taken', async () => {
    const path = '/events/workers'
    const own = await start({ upstream: upstream.origin, routes: ROUTES, top: 'workers: 2' })
    const paid = await deposit(own, { path })
    const reading = await stream(paid, path, { on: own })
    const res = await upstreamOf(path)
    res.end(events(1, 14))
    // Each on a connection of its own, so that both processes have their turns.
    for (let asked = 1; asked <= 2; asked++) {
      await until(() => said(reading.text(), 'payment-need-topup').length === asked, 'a top-up is asked for')
      await topUp(paid, path, own)
    }
    expect(await reading.ended).toEqual({ whole: true })
    expect(said(reading.text(), 'payment-receipt')).toMatchObject([{ spent: 28, units: 14 }])
    expect(await creditOf(paid, own)).toMatchObject({ creditedMsat: 30_000, leftMsat: 2_000 })
  })

  it('is as whole where its length was known, and is not asked for in a coding that hides its events', async () => {
    const path = '/events/whole'
    const paid = await deposit(gateway, { path })
    const reading = await stream(paid, path, { headers: 'Accept-Encoding: gzip\r\n' })
    expect(await reading.ended).toEqual({ whole: true })
    expect(said(reading.text(), 'payment-receipt')).toMatchObject([{ spent: 6, units: 3 }])
    expect(reading.text()).not.toMatch(/content-length/i)
    expect(upstream.seen.at(-1)?.headers['accept-encoding']).toBe('identity')
    expect(await creditOf(paid)).toMatchObject({ leftMsat: 4_000 })

    // One that comes coded all the same is passed on as it is.
    const coded = await deposit(gateway, { path: '/events/coded' })
    const passed = await stream(coded, '/events/coded')
    await passed.ended
    expect(passed.text()).toMatch(/content-encoding: gzip/i)
    expect(passed.text()).not.toContain('payment-receipt')
  })

  it('reads no further from the upstream while it waits', async () => {
    const path = '/bytes/much'
    const paid = await deposit(gateway, { path })
    const reading = await stream(paid, path)
    const res = await upstreamOf(path)
    const piece = `data: ${'x'.repeat(4_090)}\n\n`
    let written = 0
    const writeOn = (): void => {
      while (written < 64_000_000) {
        written += piece.length
        if (!res.write(piece)) {
          res.once('drain', writeOn)
          return
        }
      }
    }
    writeOn()
    await until(() => said(reading.text(), 'payment-need-topup').length > 0, 'a top-up is asked for')
    expect(dataOf(reading.text())).toEqual([])
    expect(written).toBeLessThan(32_000_000)
    reading.socket.destroy()
    // Two events of 4,098 bytes went out.
    await until(
      async () => (await creditOf(paid)).leftMsat === 10_000 - 2 * 4_098,
      'what went out is charged',
    )
  })

  it('ends with session-timeout when its session is closed, and charges what went out', async () => {
    const path = '/events/closed'
    const paid = await deposit(gateway, { path })
    const reading = await stream(paid, path)
    const res = await upstreamOf(path)
    const gone = once(res, 'close')
    res.write(events(1, 6))
    await until(() => said(reading.text(), 'payment-need-topup').length === 1, 'a top-up is asked for')
    const { challenge, sessionId, preimage } = paid
    const closed = await act(
      gateway,
      { path },
      { challenge, payload: { action: 'close', sessionId, preimage } },
    )
    expect(JSON.parse(closed.body)).toMatchObject({ status: 'closed' })
    expect(await reading.ended).toEqual({ whole: true })
    expect(said(reading.text(), 'session-timeout')).toEqual([
      { sessionId, balanceSpent: 10, balanceRequired: 2 },
    ])
    expect(said(reading.text(), 'payment-receipt')).toEqual([])
    expect(dataOf(reading.text())).toHaveLength(5)
    await gone
    await until(async () => (await creditOf(paid)).leftMsat === 0, 'five events are charged')
  })

  it('breaks off with its upstream, and charges what went out', async () => {
    const path = '/events/broken'
    const paid = await deposit(gateway, { path })
    const reading = await stream(paid, path)
    const res = await upstreamOf(path)
    res.write(`${events(1, 3)}data: 4`)
    await until(() => dataOf(reading.text()).length === 3, 'three events have come')
    res.destroy()
    expect(await reading.ended).toEqual({ whole: false })
    expect(reading.text()).not.toMatch(/data: 4|payment-receipt/)
    await until(async () => (await creditOf(paid)).leftMsat === 4_000, 'three events are charged')
  })

  it('is one call of a bundle, whatever it says', async () => {
    const path = '/bundle/whole'
    const paid = await deposit(gateway, { path })
    const reading = await stream(paid, path)
    expect(await reading.ended).toEqual({ whole: true })
    expect(said(reading.text(), 'payment-receipt')).toMatchObject([{ spent: 2, units: 3 }])
  })

  it('is kept for an Idempotency-Key without what the session said', async () => {
    const path = '/events/whole?kept'
    const paid = await deposit(gateway, { path, method: 'POST' })
    const headers = 'Idempotency-Key: k1\r\n'
    const first = await stream(paid, path, { method: 'POST', headers })
    expect(await first.ended).toEqual({ whole: true })
    const seen = upstream.seen.length
    const again = await stream(paid, path, { method: 'POST', headers })
    await again.ended
    expect(again.text().split('\r\n\r\n')[1]).toBe(`${events(1, 3)}data: [DONE]\n\n`)
    expect(upstream.seen).toHaveLength(seen)
    expect(await creditOf(paid)).toMatchObject({ leftMsat: 4_000 })
  })

  it('is read to its end for a client that has left with an Idempotency-Key, which then gets it whole', async () => {
    const path = '/events/left?kept'
    const paid = await deposit(gateway, { path, method: 'POST' })
    const headers = 'Idempotency-Key: k2\r\n'
    const first = await stream(paid, path, { method: 'POST', headers })
    const res = await upstreamOf(path)
    res.write(events(1, 1))
    await until(() => dataOf(first.text()).length === 1, 'an event has come')
    first.socket.destroy()
    await first.ended
    // Two rounds through the gateway, in which it hears that the client is gone.
    for (let n = 2; n <= 4; n++) {
      await creditOf(paid)
      res.write(events(n, n))
    }
    await creditOf(paid)
    res.end('data: [DONE]\n\n')
    await until(async () => (await creditOf(paid)).leftMsat === 2_000, 'four events are charged')
    const again = await stream(paid, path, { method: 'POST', headers })
    await again.ended
    expect(again.text().split('\r\n\r\n')[1]).toBe(`${events(1, 4)}data: [DONE]\n\n`)
    expect(upstream.seen.filter(({ url }) => url === path)).toHaveLength(1)
    expect(await creditOf(paid)).toMatchObject({ leftMsat: 2_000 })
  })

  it('charges what went out when the gateway is told to end while it waits, and does not hold it up', async () => {
    const path = '/events/term'
    const first = await start({ upstream: upstream.origin, routes: ROUTES })
    await first.stop()
    const file = join(first.folder, 'turnpike.yaml')
    writeFileSync(file, `drainTimeout: 1s\n${readFileSync(file, 'utf8').replace(/^drainTimeout:.*\n/m, '')}`)
    const own = await serve(first.folder)
    const paid = await deposit(own, { path })
    const reading = await stream(paid, path, { on: own })
    const res = await upstreamOf(path)
    res.write(events(1, 9))
    await until(() => said(reading.text(), 'payment-need-topup').length === 1, 'a top-up is asked for')
    await own.stop()
    expect(await reading.ended).toEqual({ whole: false })
    expect(dataOf(reading.text())).toHaveLength(5)
    const next = await serve(first.folder)
    expect(await creditOf(paid, next)).toMatchObject({ creditedMsat: 10_000, leftMsat: 0 })
    await next.stop()
  })

  it('gives nothing away and loses no more than an estimate, whenever the gateway is killed', async () => {
    let own = await start({ upstream: upstream.origin, routes: ROUTES })
    let paid = await deposit(own, { path: '/events/crash-0' })
    let before = 0
    for (let round = 0; round < 3; round++) {
      const path = `/events/crash-${round}`
      const reading = await stream(paid, path, { on: own })
      const res = await upstreamOf(path)
      let written = 0
      const writing = setInterval(() => void res.write(events(++written, written)), 3)
      await until(() => said(reading.text(), 'payment-need-topup').length === 1, 'a top-up is asked for')
      await topUp(paid, path, own)
      // While it draws, goes on, or waits again.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 700))
      await own.kill()
      clearInterval(writing)
      await reading.ended
      own = await serve(own.folder)
      const { creditedMsat, leftMsat } = await creditOf(paid, own)
      const usedMsat = creditedMsat - leftMsat - before
      const costMsat = dataOf(reading.text()).length * 2_000
      expect(usedMsat).toBeGreaterThanOrEqual(costMsat)
      // What was on its way to the client, and what was drawn ahead.
      expect(usedMsat).toBeLessThanOrEqual(Math.min(written * 2_000, costMsat + 4_000) + 2_000)
      before = creditedMsat - leftMsat
      if (leftMsat >= 2_000) continue
      paid = await deposit(own, { path })
      before = 0
    }
  }, 120_000)
})
