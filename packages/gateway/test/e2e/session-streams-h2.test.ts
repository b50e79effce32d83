/** Event streams on a session where one side or both speak HTTP/2, through the real program. */

import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { type ClientHttp2Session, connect, constants } from 'node:http2'
import type { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startH2Upstream } from '../proxy/h2.ts'
import { closeAll } from '../proxy/harness.ts'
import { until } from './client.ts'
import { cleanUp, type Program, start } from './program.ts'
import { act, type Deposit, deposit, lineOf, returnInvoice } from './session-client.ts'
import { creditAt, dataOf, events, said, topUpAt } from './session-events.ts'
import { closeUpstreams, startUpstream } from './upstream.ts'

type Version = 'HTTP/1.1' | 'HTTP/2'

const ROUTES = [
  '{ match: "/events/*", price: 10 sat, grants: { credit: 10 sat }, charge: { events: 2 sat, estimate: 2 sat } }',
  '{ match: "/bytes/*", price: 10 sat, grants: { credit: 10 sat }, charge: { responseBytes: 1 msat, estimate: 1 sat } }',
]

/** The upstream's side of a stream. */
interface Sending {
  readonly body: Writable
  /** Ends it so that it does not look whole. */
  breakOff(): void
  /** It is told that nothing more is wanted. */
  readonly gone: Promise<unknown>
}

/** The client's side of a stream. */
interface Reading {
  text(): string
  header(name: string): string | undefined
  /** Asks for no more of it. */
  leave(): void
  /** Takes the whole connection away. */
  hangUp(): void
  /** Nothing more comes. `whole`: it ended as HTTP says. */
  readonly ended: Promise<{ readonly whole: boolean }>
}

const EVENTS = { 'content-type': 'text/event-stream' }
const sendings = new Map<string, Sending>()

const UPSTREAMS: Readonly<Record<Version, () => Promise<{ readonly origin: string }>>> = {
  'HTTP/1.1': () =>
    startUpstream((req, res) => {
      res.writeHead(200, EVENTS).flushHeaders()
      sendings.set(req.url ?? '', {
        body: res,
        breakOff: () => void res.destroy(),
        gone: once(res, 'close'),
      })
    }),
  'HTTP/2': () =>
    startH2Upstream((stream, headers) => {
      stream.respond({ ':status': 200, ...EVENTS })
      sendings.set(headers[':path'] ?? '', {
        body: stream,
        // Not closed, which would end it first.
        breakOff: () => void stream.destroy(new Error('broken off')),
        gone: new Promise((resolve) => {
          stream.once('close', resolve)
        }),
      })
    }),
}

const CLIENTS: Readonly<
  Record<Version, (gateway: Program, path: string, authorization: string) => Promise<Reading>>
> = {
  async 'HTTP/1.1'({ url }, path, authorization) {
    const agent = new Agent({ keepAlive: true })
    const req = request(`${url}${path}`, { agent, headers: { authorization } }).on('error', () => {})
    req.end()
    const [res] = await once(req, 'response')
    let text = ''
    res.setEncoding('latin1').on('error', () => {})
    res.on('data', (piece: string) => {
      text += piece
    })
    const leave = (): void => {
      req.destroy()
      agent.destroy()
    }
    const ended = new Promise<{ whole: boolean }>((resolve) => {
      res.once('close', () => {
        resolve({ whole: res.complete })
        agent.destroy()
      })
    })
    return { text: () => text, header: (name) => res.headers[name], leave, hangUp: leave, ended }
  },
  async 'HTTP/2'({ url }, path, authorization) {
    const session = connect(url).on('error', () => {})
    sessions.push(session)
    const stream = session.request({ ':path': path, authorization }).on('error', () => {})
    const [headers] = await once(stream, 'response')
    expect(headers[':status']).toBe(200)
    let text = ''
    let atEnd = false
    stream
      .setEncoding('latin1')
      .on('data', (piece: string) => {
        text += piece
      })
      .on('end', () => {
        atEnd = true
      })
    const ended = new Promise<{ whole: boolean }>((resolve) => {
      stream.once('close', () =>
        resolve({ whole: atEnd && !stream.aborted && stream.rstCode === constants.NGHTTP2_NO_ERROR }),
      )
    })
    return {
      text: () => text,
      header: (name) => headers[name],
      leave: () => stream.close(constants.NGHTTP2_CANCEL),
      hangUp: () => session.destroy(),
      ended,
    }
  },
}

const sessions: ClientHttp2Session[] = []

afterAll(async () => {
  for (const session of sessions) session.destroy()
  await cleanUp()
  await closeUpstreams()
  await closeAll()
})

describe.each<[Version, Version]>([
  ['HTTP/2', 'HTTP/1.1'],
  ['HTTP/1.1', 'HTTP/2'],
  ['HTTP/2', 'HTTP/2'],
])('an event stream on a session, for a client of %s from an upstream of %s', (client, upstream) => {
  let gateway: Program
  let paths = 0
  beforeAll(async () => {
    const { origin } = await UPSTREAMS[upstream]()
    gateway = await start({ upstream: origin, routes: ROUTES })
  })
  afterAll(async () => {
    await gateway.stop()
  })

  async function open(kind: 'events' | 'bytes') {
    const path = `/${kind}/${++paths}-${client}-${upstream}`.replaceAll(/HTTP\/|\./g, '')
    const paid: Deposit = await deposit(gateway, { path })
    const payload = { action: 'open', preimage: paid.preimage, returnInvoice: returnInvoice() }
    const reading = await CLIENTS[client](gateway, path, lineOf(paid.challenge, payload))
    const sending = sendings.get(path) as Sending
    const topUpIsAsked = (times: number): Promise<void> =>
      until(() => said(reading.text(), 'payment-need-topup').length === times, 'a top-up is asked for')
    const isCharged = (usedMsat: number): Promise<void> =>
      until(async () => {
        const { creditedMsat, leftMsat } = await creditAt(gateway, paid)
        return creditedMsat - leftMsat === usedMsat
      }, `${usedMsat} msat are charged`)
    return { path, paid, reading, sending, topUpIsAsked, isCharged }
  }

  it('goes out as it is covered, waits for a top-up, goes on, and ends with a receipt', async () => {
    const { path, paid, reading, sending, topUpIsAsked, isCharged } = await open('events')
    expect(reading.header('payment-receipt')).toBeTypeOf('string')
    sending.body.write(events(1, 2))
    await until(() => dataOf(reading.text()).length === 2, 'two events have come')
    sending.body.write(events(3, 7))
    await topUpIsAsked(1)
    const { sessionId } = paid
    const shortage = { sessionId, balanceSpent: 10, balanceRequired: 2 }
    expect(said(reading.text(), 'payment-need-topup')).toEqual([shortage])
    expect(dataOf(reading.text())).toEqual(['1', '2', '3', '4', '5'])
    await topUpAt(gateway, paid, path)
    await until(() => dataOf(reading.text()).length === 7, 'it goes on')
    sending.body.end('data: [DONE]\n\n')
    expect(await reading.ended).toEqual({ whole: true })
    expect(said(reading.text(), 'payment-receipt')).toMatchObject([
      { reference: sessionId, status: 'success', spent: 14, units: 7 },
    ])
    expect(reading.text()).toMatch(/\nevent: payment-receipt\ndata: .*\n\ndata: \[DONE\]\n\n$/)
    await isCharged(14_000)
  })

  it('is charged for what went out, where its client leaves while it flows, and the upstream is stopped', async () => {
    const { reading, sending, isCharged } = await open('events')
    sending.body.write(`${events(1, 3)}data: 4`)
    await until(() => dataOf(reading.text()).length === 3, 'three events have come')
    reading.leave()
    await sending.gone
    await isCharged(6_000)
  })

  it('is charged for what went out, where its client leaves while it waits', async () => {
    const { reading, sending, topUpIsAsked, isCharged } = await open('bytes')
    const event = `data: ${'x'.repeat(2_992)}\n\n`
    sending.body.write(event.repeat(5))
    await topUpIsAsked(1)
    reading.leave()
    await sending.gone
    await isCharged(9_000)
  })

  it('is charged for what went out, where its client’s connection is gone', async () => {
    const { reading, sending, topUpIsAsked, isCharged } = await open('events')
    sending.body.write(events(1, 6))
    await topUpIsAsked(1)
    reading.hangUp()
    await sending.gone
    await isCharged(10_000)
  })

  it('breaks off with its upstream, and is charged for what went out', async () => {
    const { reading, sending, isCharged } = await open('events')
    sending.body.write(`${events(1, 3)}data: 4`)
    await until(() => dataOf(reading.text()).length === 3, 'three events have come')
    sending.breakOff()
    expect(await reading.ended).toEqual({ whole: false })
    expect(reading.text()).not.toMatch(/data: 4|payment-receipt/)
    await isCharged(6_000)
  })

  it('ends as a whole answer does with session-timeout, where its session is closed', async () => {
    const { path, paid, reading, sending, topUpIsAsked, isCharged } = await open('events')
    sending.body.write(events(1, 6))
    await topUpIsAsked(1)
    const { challenge, sessionId, preimage } = paid
    const payload = { action: 'close', sessionId, preimage }
    expect((await act(gateway, { path }, { challenge, payload })).status).toBe(200)
    expect(await reading.ended).toEqual({ whole: true })
    expect(said(reading.text(), 'session-timeout')).toHaveLength(1)
    expect(reading.text()).not.toContain('payment-receipt')
    await sending.gone
    await isCharged(10_000)
  })

  it('is read no further while it waits', async () => {
    const { reading, sending, topUpIsAsked, isCharged } = await open('bytes')
    const piece = `data: ${'x'.repeat(4_092)}\n\n`
    let written = 0
    const writeOn = (): void => {
      while (written < 64_000_000 && sending.body.writable) {
        written += piece.length
        if (!sending.body.write(piece)) return void sending.body.once('drain', writeOn)
      }
    }
    writeOn()
    await topUpIsAsked(1)
    expect(written).toBeLessThan(32_000_000)
    reading.leave()
    await sending.gone
    await isCharged(2 * piece.length)
  })
})
