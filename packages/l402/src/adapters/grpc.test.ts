import { constants as h2, connect as http2Connect } from 'node:http2'
import * as grpc from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { hostileTargets } from '../../test/hostile-targets.ts'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { formatCredential } from '../core/credential.ts'
import { L402Error } from '../core/errors.ts'
import { memoryLightning } from '../lightning/memory.ts'
import type { AddressLists } from '../server/limits/address-lists.ts'
import type { Ledger } from '../stores/ledger.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { accessOf, l402 } from './grpc.ts'

const bytes = (value: Buffer): Buffer => value
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/echo.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
})
const ECHO = {
  unary: method('Unary', false, false),
  client: method('Client', true, false),
  server: method('Server', false, true),
  both: method('Both', true, true),
  metered: method('Metered', false, false),
  drops: method('Drops', false, true),
  sums: method('Sums', true, false),
  hidden: method('Hidden', false, false),
  free: method('Free', false, true),
}
type Kind = keyof typeof ECHO

interface Outcome {
  readonly messages: readonly string[]
  readonly code: number
  readonly details: string
  readonly metadata: grpc.Metadata
}

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function open(lists: AddressLists = {}) {
  const lightning = memoryLightning()
  const store = memoryStore()
  const self = { runs: 0, fails: false, breaks: false, down: false, tokenId: '' }
  const ledger: Ledger = {
    ...store,
    revocationEpoch: 0,
    reserve: (ask) =>
      self.down ? Promise.reject(new L402Error('store_unavailable', 'disk full')) : store.reserve(ask),
  }
  const toll = l402({
    lightning,
    store: ledger,
    keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
    services: { echo: lists },
  })
  const calls = { price: '1 sat', grants: { calls: 2 } }
  const credit = { price: '10 sat', grants: { credit: '10 sat' } }
  const interceptor = toll({
    '/echo.Echo/Unary': calls,
    '/echo.Echo/Client': calls,
    '/echo.Echo/Server': calls,
    '/echo.Echo/Both': calls,
    '/echo.Echo/Metered': {
      price: '100 sat',
      grants: { credit: '100 sat' },
      charge: { byHandler: true, estimate: '5 sat' },
    },
    '/echo.Echo/Drops': { ...credit, perMessage: '3 sat' },
    '/echo.Echo/Sums': { ...credit, perMessage: '3 sat' },
    '/echo.Echo/Free': { free: true, rateLimits: [{ requests: '2/1d', per: 'route' }] },
  })
  const server = new grpc.Server({ interceptors: [interceptor] })
  const run = (call: { metadata: grpc.Metadata }): Error | null => {
    self.runs++
    self.tokenId = accessOf(call)?.tokenId ?? ''
    return self.fails ? Object.assign(new Error('the handler’s own'), { code: 14 }) : null
  }
  const reply = (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) =>
    callback(run(call), call.request)
  server.addService(ECHO, {
    unary: reply,
    hidden: reply,
    metered(call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) {
      accessOf(call)?.charge(1_500n)
      reply(call, callback)
    },
    client(call: grpc.ServerReadableStream<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) {
      const fault = run(call)
      const parts: Buffer[] = []
      call
        .on('data', (part: Buffer) => parts.push(part))
        .on('end', () => callback(fault, Buffer.concat(parts)))
    },
    server(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      const fault = run(call)
      if (fault !== null) return void call.emit('error', fault)
      call.write(call.request)
      if (self.breaks) return void call.emit('error', Object.assign(new Error('broken'), { code: 4 }))
      call.write(call.request)
      call.end()
    },
    free(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      run(call)
      call.write(call.request)
      call.end()
    },
    drops(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      run(call)
      const drop = (): void => {
        while (!call.cancelled && call.write(call.request)) {}
        if (!call.cancelled) call.once('drain', drop)
      }
      drop()
    },
    sums(call: grpc.ServerReadableStream<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) {
      run(call)
      let count = 0
      call.on('data', () => count++).on('end', () => callback(null, Buffer.from(String(count))))
    },
    both(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      const fault = run(call)
      if (fault !== null) return void call.emit('error', fault)
      call.on('data', (part: Buffer) => call.write(part)).on('end', () => call.end())
    },
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
  closing.push(
    () => client.close(),
    () => server.forceShutdown(),
  )
  function call(kind: Kind, lines: Readonly<Record<string, string>> = {}, count = 1): Promise<Outcome> {
    const { path } = ECHO[kind]
    const metadata = new grpc.Metadata()
    for (const [name, value] of Object.entries(lines)) metadata.set(name, value)
    const stream = client.makeBidiStreamRequest(path, bytes, bytes, metadata)
    const messages: string[] = []
    return new Promise((resolve) => {
      stream.on('data', (part: Buffer) => messages.push(part.toString()))
      stream.on('error', () => {})
      stream.on('status', ({ code, details, metadata: trailers }) =>
        resolve({ messages, code, details, metadata: trailers }),
      )
      for (let i = 1; i < count; i++) stream.write(Buffer.from('hi'))
      stream.end(Buffer.from('hi'))
    })
  }
  async function buy(kind: Kind): Promise<string> {
    const { metadata } = await call(kind)
    const [challenge] = findL402Challenges(metadata.get('www-authenticate').map(String))
    const { amountMsat, paymentHash } = decodeInvoice(challenge?.invoice ?? '')
    const paid = await lightning.pay({
      invoice: challenge?.invoice ?? '',
      paymentHash,
      amountMsat: amountMsat ?? 0n,
      maxFeeMsat: 0n,
      timeoutMs: 1000,
    })
    return formatCredential(
      challenge?.macaroon ?? '',
      paid.status === 'paid' ? paid.preimage : new Uint8Array(),
    )
  }
  return Object.assign(self, { call, buy, port })
}

describe('the adapter for @grpc/grpc-js', () => {
  it.each(['unary', 'client', 'server', 'both'] as const)('sells a %s call', async (kind) => {
    const self = await open()
    const unpaid = await self.call(kind)
    expect(unpaid).toMatchObject({ messages: [], code: 13, details: 'payment required' })
    expect(self.runs).toBe(0)
    const authorization = await self.buy(kind)
    const paid = await self.call(kind, { authorization })
    expect(paid.code).toBe(0)
    expect(paid.messages.join('')).toContain('hi')
    expect(paid.metadata.get('ratelimit')).toEqual(['"calls";r=1'])
    expect(self.tokenId).toMatch(/^[0-9a-f]{64}$/)
    self.fails = true
    expect((await self.call(kind, { authorization })).code).toBe(14)
    self.fails = false
    expect((await self.call(kind, { authorization })).code).toBe(0)
    expect(await self.call(kind, { authorization })).toMatchObject({ code: 13, details: 'payment required' })
  })

  it('uses a call whose answer has begun, whatever it ends with (rule 4)', async () => {
    const self = await open()
    const authorization = await self.buy('server')
    self.breaks = true
    for (let i = 0; i < 2; i++)
      expect(await self.call('server', { authorization })).toMatchObject({ messages: ['hi'], code: 4 })
    expect(await self.call('server', { authorization })).toMatchObject({ messages: [], code: 13 })
    expect(self.runs).toBe(2)
  })

  it('charges what the handler says', async () => {
    const self = await open()
    const authorization = await self.buy('metered')
    await self.call('metered', { authorization })
    const { metadata } = await self.call('metered', { authorization })
    expect(metadata.get('ratelimit')).toEqual(['"credit";r=93500'])
  })

  it('charges each message, and ends the call where the credit does not cover the next', async () => {
    const self = await open()
    const answers = { authorization: await self.buy('drops') }
    const { messages, code } = await self.call('drops', answers)
    expect({ messages, code }).toEqual({ messages: ['hi', 'hi', 'hi'], code: 8 })
    // 1 sat is left, of 10.
    expect((await self.call('drops', answers)).details).toBe('payment required')
    const requests = { authorization: await self.buy('sums') }
    expect((await self.call('sums', requests, 2)).messages).toEqual(['2'])
    expect(await self.call('sums', requests, 2)).toMatchObject({ messages: [], code: 8 })
  })

  it('asks for payment in one HEADERS frame that ends the stream (protocol §1)', async () => {
    const self = await open()
    const session = http2Connect(`http://127.0.0.1:${self.port}`)
    closing.push(() => session.close())
    const stream = session.request({
      ':method': 'POST',
      ':path': '/echo.Echo/Unary',
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    })
    stream.end(Buffer.from([0, 0, 0, 0, 0]))
    const frames: string[] = []
    stream.on('trailers', () => frames.push('trailers')).on('data', () => frames.push('data'))
    const [headers, flags] = await new Promise<[Record<string, unknown>, number]>((resolve) => {
      stream.on('response', (got, bits) => resolve([got as Record<string, unknown>, bits]))
    })
    expect(flags & h2.NGHTTP2_FLAG_END_STREAM).toBe(h2.NGHTTP2_FLAG_END_STREAM)
    expect(headers).toMatchObject({ ':status': 200, 'grpc-status': '13' })
    // Percent-encoded, as all readers of gRPC decode it.
    expect(decodeURIComponent(String(headers['grpc-message']))).toBe('payment required')
    expect(headers['www-authenticate']).toMatch(
      /^L402 macaroon="[^"]+", invoice="[^"]+", version="0", token="[^"]+"$/,
    )
    await new Promise((resolve) => stream.on('close', resolve))
    expect(frames).toEqual([])
  })

  it('answers UNAVAILABLE where the books are down, and lets nobody call what has no price', async () => {
    const self = await open()
    const authorization = await self.buy('unary')
    self.down = true
    expect((await self.call('unary', { authorization })).code).toBe(14)
    self.down = false
    expect((await self.call('unary', { authorization })).code).toBe(0)
    const { runs } = self
    expect((await self.call('hidden', { authorization })).code).toBe(12)
    expect(self.runs).toBe(runs)
  })

  it('asks the gate about what is free, too: for its lists and its rates', async () => {
    const self = await open()
    for (let i = 0; i < 2; i++) expect(await self.call('free')).toMatchObject({ code: 0, messages: ['hi'] })
    expect(await self.call('free')).toMatchObject({ code: 8, messages: [] })
    expect(self.runs).toBe(2)
    const shut = await open({ block: ['127.0.0.1'] })
    for (const kind of ['free', 'unary'] as const)
      expect(await shut.call(kind)).toMatchObject({ code: 7, messages: [] })
    expect(shut.runs).toBe(0)
  })

  it('runs no method unpaid, however its path is spelt', async () => {
    const self = await open()
    const authorization = await self.buy('client')
    const session = http2Connect(`http://127.0.0.1:${self.port}`)
    closing.push(() => session.close())
    for (const path of hostileTargets('echo.Echo', 'Unary')) {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc+proto',
        te: 'trailers',
        authorization,
      })
      stream.on('error', () => {}).end(Buffer.from([0, 0, 0, 0, 0]))
      const status = await new Promise((resolve) => {
        stream.on('response', (got) => resolve(got['grpc-status'])).on('close', () => resolve('none'))
      })
      // INTERNAL with a challenge, UNIMPLEMENTED, or what HTTP/2 itself refuses.
      expect(['12', '13', 'none'], path).toContain(status)
    }
    expect(self.runs).toBe(0)
  })

  it('says at set-up what it cannot measure', () => {
    const toll = l402({
      lightning: memoryLightning(),
      store: memoryStore(),
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
      services: { echo: {} },
    })
    const offer = {
      price: '1 sat',
      grants: { credit: '1 sat' },
      charge: { responseBytes: '1 msat', estimate: '1 sat' },
    }
    expect(() => toll({ '/echo.Echo/Unary': offer })).toThrow('byHandler')
  })
})
