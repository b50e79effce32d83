import { createServer as createHttpServer, request as httpRequest } from 'node:http'
import { createServer, constants as h2, connect as http2Connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { create, toBinary } from '@bufbuild/protobuf'
import { fileDesc, type GenService, serviceDesc } from '@bufbuild/protobuf/codegenv2'
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, type ConnectRouter, createClient, type Transport } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node'
import { afterEach, describe, expect, it } from 'vitest'
import { hostileTargets } from '../../test/hostile-targets.ts'
import { answerOf, identifierOf } from '../../test/matrix.ts'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { formatCredential } from '../core/credential.ts'
import { L402Error } from '../core/errors.ts'
import { memoryLightning } from '../lightning/memory.ts'
import type { AddressLists } from '../server/limits/address-lists.ts'
import type { Ledger } from '../stores/ledger.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { accessOf, l402 } from './connect.ts'

type Text = typeof StringValueSchema
type Kind = 'unary' | 'client_streaming' | 'server_streaming' | 'bidi_streaming'
type Method<K extends Kind> = { methodKind: K; input: Text; output: Text }
type EchoService = GenService<{
  unary: Method<'unary'>
  client: Method<'client_streaming'>
  server: Method<'server_streaming'>
  both: Method<'bidi_streaming'>
  metered: Method<'unary'>
  drops: Method<'server_streaming'>
  sums: Method<'client_streaming'>
  own: Method<'unary'>
  hidden: Method<'unary'>
  free: Method<'unary'>
}>

const text = '.google.protobuf.StringValue'
const method = (name: string, clientStreaming = false, serverStreaming = false) => ({
  name,
  inputType: text,
  outputType: text,
  clientStreaming,
  serverStreaming,
})
const file = create(FileDescriptorProtoSchema, {
  name: 'echo.proto',
  package: 'echo',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'Echo',
      method: [
        method('Unary'),
        method('Client', true),
        method('Server', false, true),
        method('Both', true, true),
        method('Metered'),
        method('Drops', false, true),
        method('Sums', true),
        method('Own'),
        method('Hidden'),
        method('Free'),
      ],
    },
  ],
})
const encoded = Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64')
const Echo: EchoService = serviceDesc(fileDesc(encoded, [file_google_protobuf_wrappers]), 0)

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

interface Outcome {
  readonly messages: readonly string[]
  readonly error: ConnectError | null
  readonly headers: Headers
}

async function open(lists: AddressLists = {}) {
  const lightning = memoryLightning()
  const store = memoryStore()
  const self = {
    runs: 0,
    fails: null as unknown,
    down: false,
    tokenId: '',
    left: undefined as unknown,
    /** Before the answer of Unary, and after the first message of Server. */
    meanwhile: async (_: AbortSignal): Promise<void> => {},
  }
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
  const run = (context: Parameters<typeof accessOf>[0]): void => {
    self.runs++
    self.tokenId = accessOf(context)?.tokenId ?? ''
    if (self.fails !== null) throw self.fails
  }
  const routes = (router: ConnectRouter): void => {
    router.service(Echo, {
      async unary(request, context) {
        run(context)
        await self.meanwhile(context.signal)
        return request
      },
      async client(requests, context) {
        run(context)
        let value = ''
        for await (const request of requests) value += request.value
        return { value }
      },
      async *server(request, context) {
        run(context)
        yield request
        await self.meanwhile(context.signal)
        yield request
      },
      async *both(requests, context) {
        run(context)
        for await (const request of requests) yield request
      },
      metered(request, context) {
        run(context)
        accessOf(context)?.charge(1_500n)
        return request
      },
      async *drops(request, context) {
        run(context)
        for (;;) yield request
      },
      async sums(requests, context) {
        run(context)
        let count = 0
        for await (const _ of requests) count++
        return { value: String(count) }
      },
      hidden(request, context) {
        run(context)
        return request
      },
      free(request, context) {
        run(context)
        return request
      },
    })
    // Interceptors of a service stand in place of the server's.
    router.rpc(
      Echo.method.own,
      (request, context) => {
        run(context)
        return request
      },
      { interceptors: [] },
    )
  }
  const listener = toll(
    {
      '/echo.Echo/Unary': calls,
      '/echo.Echo/Client': calls,
      '/echo.Echo/Server': calls,
      '/echo.Echo/Both': calls,
      '/echo.Echo/Own': calls,
      '/echo.Echo/Metered': {
        price: '100 sat',
        grants: { credit: '100 sat' },
        charge: { byHandler: true, estimate: '5 sat' },
      },
      '/echo.Echo/Drops': { ...credit, perMessage: '3 sat' },
      '/echo.Echo/Sums': { ...credit, perMessage: '3 sat' },
      '/echo.Echo/Free': { free: true, rateLimits: [{ requests: '2/1d', per: 'route' }] },
    },
    { routes },
  )
  const server = createServer(listener)
  const plain = createHttpServer(listener)
  const ports = await Promise.all(
    [server, plain].map(
      (each) =>
        new Promise<number>((resolve) => {
          each.listen(0, '127.0.0.1', () => resolve((each.address() as AddressInfo).port))
        }),
    ),
  )
  const [port = 0, plainPort = 0] = ports
  closing.push(
    () => server.close(),
    () => plain.close().closeAllConnections(),
  )
  const transports = {
    grpc: createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` }),
    'grpc-web': createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '2' }),
    connect: createConnectTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '2' }),
  }
  const used = async (authorization: string): Promise<bigint | undefined> => {
    const { tokenId } = identifierOf(/^L402 ([^:]+):/.exec(authorization)?.[1] ?? '')
    return (await store.read([tokenId]))[0]?.used
  }
  return Object.assign(self, { lightning, used, port, plainPort, server, transports })
}
type Self = Awaited<ReturnType<typeof open>>

async function call(
  transport: Transport,
  kind: keyof EchoService['method'],
  options: { readonly authorization?: string; readonly most?: number; readonly timeoutMs?: number } = {},
): Promise<Outcome> {
  const { authorization, most = Number.POSITIVE_INFINITY, timeoutMs } = options
  const client = createClient(Echo, transport)
  let headers = new Headers()
  const asked = {
    headers: authorization === undefined ? {} : { authorization },
    onHeader: (got: Headers) => {
      headers = got
    },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
  const messages: string[] = []
  async function* sent() {
    yield { value: 'hi' }
    for (let i = 1; i < most && most !== Number.POSITIVE_INFINITY; i++) yield { value: 'hi' }
  }
  try {
    if (kind === 'client' || kind === 'sums') messages.push((await client[kind](sent(), asked)).value)
    else if (kind === 'server' || kind === 'drops') {
      for await (const { value } of client[kind]({ value: 'hi' }, asked))
        if (messages.push(value) >= most) break
    } else if (kind === 'both')
      for await (const { value } of client[kind](sent(), asked)) messages.push(value)
    else messages.push((await client[kind]({ value: 'hi' }, asked)).value)
    return { messages, error: null, headers }
  } catch (error) {
    return { messages, error: ConnectError.from(error), headers }
  }
}

async function buy(
  self: Self,
  kind: keyof EchoService['method'],
  transport: Transport = self.transports.grpc,
): Promise<string> {
  const { error } = await call(transport, kind)
  const [challenge] = findL402Challenges([error?.metadata.get('www-authenticate') ?? ''])
  const { amountMsat, paymentHash } = decodeInvoice(challenge?.invoice ?? '')
  const paid = await self.lightning.pay({
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

describe.each(['grpc', 'grpc-web', 'connect'] as const)(
  'the adapter for Connect, asked in %s',
  (protocol) => {
    it.each(['unary', 'client', 'server', 'both'] as const)('sells a %s call', async (kind) => {
      const self = await open()
      const transport = self.transports[protocol]
      const authorization = await buy(self, kind, transport)
      expect(self.runs).toBe(0)
      const paid = await call(transport, kind, { authorization })
      expect(paid.error).toBeNull()
      expect(paid.messages.join('')).toContain('hi')
      expect(paid.headers.get('ratelimit')).toBe('"calls";r=1')
      expect(self.tokenId).toMatch(/^[0-9a-f]{64}$/)
      self.fails = new ConnectError('the handler’s own', Code.Unavailable)
      expect((await call(transport, kind, { authorization })).error?.code).toBe(Code.Unavailable)
      self.fails = new Error('the handler’s own')
      expect((await call(transport, kind, { authorization })).error?.code).toBe(Code.Internal)
      self.fails = null
      expect((await call(transport, kind, { authorization })).error).toBeNull()
      const { runs } = self
      const over = await call(transport, kind, { authorization })
      expect(over.error?.metadata.get('www-authenticate')).toContain('L402 macaroon=')
      expect(self.runs).toBe(runs)
    })

    it('asks the gate about what is free, too: for its lists and its rates', async () => {
      const self = await open()
      const calls = [1, 2, 3].map(() => call(self.transports[protocol], 'free'))
      const codes = (await Promise.all(calls)).map(({ error }) => error?.code)
      const limited = protocol === 'grpc' ? Code.ResourceExhausted : Code.Unavailable
      expect(codes.sort()).toEqual([limited, undefined, undefined])
      expect(self.runs).toBe(2)
      const shut = await open({ block: ['127.0.0.1'] })
      for (const kind of ['free', 'unary'] as const)
        expect((await call(shut.transports[protocol], kind)).error?.code).toBe(Code.PermissionDenied)
      expect(shut.runs).toBe(0)
    })

    it('uses a call whose answer has begun, whatever it ends with (rule 4)', async () => {
      const self = await open()
      const transport = self.transports[protocol]
      const authorization = await buy(self, 'server', transport)
      self.meanwhile = () => Promise.reject(new Error('broken'))
      for (let i = 0; i < 2; i++) {
        const { messages, error } = await call(transport, 'server', { authorization })
        expect([messages, error?.code]).toEqual([['hi'], Code.Internal])
      }
      expect((await call(transport, 'server', { authorization })).messages).toEqual([])
      expect(self.runs).toBe(2)
    })

    it('uses a call whose client says when it is to stop', async () => {
      const self = await open()
      const transport = self.transports[protocol]
      const authorization = await buy(self, 'unary', transport)
      self.meanwhile = (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('stopped')))
        })
      const asked = { authorization, timeoutMs: 200 }
      await expect
        .poll(async () => (await call(transport, 'unary', asked)).error?.metadata.has('www-authenticate'))
        .toBe(true)
      expect(self.runs).toBe(2)
    })

    it('uses a call that its handler refuses for what was asked', async () => {
      const self = await open()
      const transport = self.transports[protocol]
      const authorization = await buy(self, 'unary', transport)
      self.fails = new ConnectError('no such city', Code.NotFound)
      for (let i = 0; i < 2; i++)
        expect((await call(transport, 'unary', { authorization })).error?.code).toBe(Code.NotFound)
      expect(
        (await call(transport, 'unary', { authorization })).error?.metadata.get('www-authenticate'),
      ).toContain('L402')
    })
  },
)

describe('the adapter for Connect', () => {
  it('charges what the handler says', async () => {
    const self = await open()
    const authorization = await buy(self, 'metered')
    await call(self.transports.grpc, 'metered', { authorization })
    const { headers } = await call(self.transports.grpc, 'metered', { authorization })
    expect(headers.get('ratelimit')).toBe('"credit";r=93500')
  })

  it('charges each message, and ends the call where the credit does not cover the next', async () => {
    const self = await open()
    const { grpc } = self.transports
    const answers = await buy(self, 'drops')
    const { messages, error } = await call(grpc, 'drops', { authorization: answers })
    expect(messages).toHaveLength(3)
    expect(error?.code).toBe(Code.ResourceExhausted)
    // 1 sat is left, of 10.
    expect((await call(grpc, 'drops', { authorization: answers })).error?.rawMessage).toBe('payment required')
    const requests = await buy(self, 'sums')
    expect((await call(grpc, 'sums', { authorization: requests, most: 2 })).messages).toEqual(['2'])
    expect((await call(grpc, 'sums', { authorization: requests, most: 2 })).error?.code).toBe(
      Code.ResourceExhausted,
    )
  })

  it('settles calls of services that bring interceptors of their own', async () => {
    const self = await open()
    const authorization = await buy(self, 'own')
    for (let i = 0; i < 2; i++)
      expect((await call(self.transports.grpc, 'own', { authorization })).error).toBeNull()
    expect((await call(self.transports.grpc, 'own', { authorization })).error?.rawMessage).toBe(
      'payment required',
    )
  })

  it('answers UNAVAILABLE where the books are down, and lets nobody call what has no price', async () => {
    const self = await open()
    const { grpc } = self.transports
    const authorization = await buy(self, 'unary')
    self.down = true
    expect((await call(grpc, 'unary', { authorization })).error?.code).toBe(Code.Unavailable)
    self.down = false
    expect((await call(grpc, 'unary', { authorization })).error).toBeNull()
    const { runs } = self
    for (const transport of Object.values(self.transports))
      expect((await call(transport, 'hidden', { authorization })).error?.code).toBe(Code.Unimplemented)
    expect(self.runs).toBe(runs)
  })

  it('asks gRPC for payment in one HEADERS frame that ends the stream (protocol §1)', async () => {
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
    const [headers, flags] = await new Promise<[Record<string, string>, number]>((resolve) => {
      stream.on('response', (got, bits) => resolve([got as Record<string, string>, bits]))
    })
    expect(flags & h2.NGHTTP2_FLAG_END_STREAM).toBe(h2.NGHTTP2_FLAG_END_STREAM)
    expect(headers).toMatchObject({ ':status': 200, 'grpc-status': '13', 'grpc-message': 'payment required' })
    expect(headers['content-type']).toBe('application/grpc')
    expect(headers['www-authenticate']).toMatch(
      /^L402 macaroon="[^"]+", invoice="[^"]+", version="0", token="[^"]+"$/,
    )
    await new Promise((resolve) => stream.on('close', resolve))
    expect(frames).toEqual([])
  })

  it.each([
    ['Connect', 'application/json', '{}'],
    ['Connect, streaming', 'application/connect+proto', ''],
    ['gRPC-Web', 'application/grpc-web+proto', ''],
  ])('asks %s for payment in HTTP: 402', async (_, type, body) => {
    const self = await open()
    const answer = await fetch(`http://127.0.0.1:${self.plainPort}/echo.Echo/Unary`, {
      method: 'POST',
      headers: { 'content-type': type, origin: 'https://app.example' },
      body,
    })
    expect(answer.status).toBe(402)
    expect(answer.headers.get('www-authenticate')).toMatch(/^L402 macaroon="/)
    expect(answer.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')
    expect(await answer.json()).toMatchObject({ code: 'missing' })
    expect(self.runs).toBe(0)
  })

  it('asks a browser in JSON too: its calls are a page’s, not a reader’s', async () => {
    const self = await open()
    for (const init of [{}, { method: 'POST' }]) {
      const headers = { Accept: 'text/html', 'Content-Type': 'application/json' }
      const answer = await fetch(`http://127.0.0.1:${self.plainPort}/echo.Echo/Unary`, { ...init, headers })
      expect(answer.status).toBe(402)
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect(answer.headers.get('set-cookie')).toBeNull()
      expect(await answer.json()).toMatchObject({ code: 'missing' })
    }
  })

  it('gives back what its router refuses before the handler, and uses what a client leaves', async () => {
    const self = await open()
    const authorization = await buy(self, 'unary')
    for (let i = 0; i < 3; i++) {
      const refused = await fetch(`http://127.0.0.1:${self.plainPort}/echo.Echo/Unary`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization },
        body: 'not JSON',
      })
      expect(refused.status).toBe(400)
      await refused.text()
    }
    await expect
      .poll(async () => (await call(self.transports.grpc, 'unary', { authorization })).error)
      .toBeNull()
    const left = await buy(self, 'drops')
    await call(self.transports.grpc, 'drops', { authorization: left, most: 1 })
    // One message at least, and never nothing.
    await expect.poll(() => self.used(left)).toBeGreaterThanOrEqual(3_000n)
  })

  it.each([
    ['application/grpc+proto', [0, 0, 0, 0, 2, 255, 255]],
    ['application/connect+proto', [1, 0, 0, 0, 2, 1, 2]],
  ])('uses a call whose client ends it with what cannot be read, in %s', async (type, bad) => {
    const self = await open()
    const authorization = await buy(self, 'both')
    const session = http2Connect(`http://127.0.0.1:${self.port}`)
    closing.push(() => session.close())
    for (let i = 0; i < 3; i++) {
      const stream = session.request({
        ...{ ':method': 'POST', ':path': '/echo.Echo/Both', 'content-type': type },
        ...{ te: 'trailers', authorization },
      })
      const closed = new Promise((resolve) => stream.on('error', () => {}).once('close', resolve))
      stream.write(Buffer.from([0, 0, 0, 0, 4, 10, 2, 104, 105]))
      stream.once('data', () => stream.end(Buffer.from(bad))).resume()
      await Promise.race([closed, new Promise((resolve) => stream.once('end', resolve))])
      stream.close()
      await closed
    }
    expect(self.runs).toBe(2)
  })

  it('runs no method unpaid, however its path is spelt', async () => {
    const self = await open()
    const other = await buy(self, 'own')
    for (const path of hostileTargets('echo.Echo', 'Unary'))
      for (const authorization of [[], ['Authorization', other]]) {
        const req = httpRequest({
          host: '127.0.0.1',
          port: self.plainPort,
          method: 'POST',
          path,
          agent: false,
          headers: ['Host', 'api.example', 'Content-Type', 'application/json', ...authorization],
        })
        req.end('{}')
        const answer = await answerOf(req).then(
          (res) => res.resume().statusCode,
          () => 400,
        )
        expect([400, 402, 404, 501], path).toContain(answer)
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
    const credit = { price: '1 sat', grants: { credit: '1 sat' } }
    const charge = { responseBytes: '1 msat', estimate: '1 sat' }
    const routes = (): void => {}
    expect(() => toll({ '/echo.Echo/Unary': { ...credit, charge } }, { routes })).toThrow('byHandler')
    expect(() =>
      toll({ '/echo.Echo/Unary': { ...credit, charge, perMessage: '1 sat' } }, { routes }),
    ).toThrow('either')
    expect(() => toll({ Unary: credit }, { routes })).toThrow('expected a path like')
  })
})
