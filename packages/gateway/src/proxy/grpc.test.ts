import { once } from 'node:events'
import * as grpc from '@grpc/grpc-js'
import type { GateRequest, Refused } from '@turnpike/l402/server'
import { afterEach, describe, expect, it } from 'vitest'
import { callGrpc, ECHO, grpcClient, startGrpcServer } from '../../test/proxy/grpc.ts'
import { askH2, openH2, startH2Upstream } from '../../test/proxy/h2.ts'
import {
  type Books,
  closeAll,
  gateOf,
  open,
  passGate,
  startGateway,
  startRawUpstream,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import { selfSigned } from '../commands/self-signed.ts'
import { isGrpcFault } from './grpc.ts'

afterEach(closeAll)

const KINDS = Object.keys(ECHO) as (keyof typeof ECHO)[]
const CHALLENGE = 'L402 macaroon="M", invoice="I", version="0", token="M"'
const PAYMENT_REQUIRED: Refused = {
  outcome: 'refuse',
  reason: 'missing',
  status: 200,
  headers: [
    ...['Content-Type', 'application/grpc', 'grpc-status', '13', 'grpc-message', 'payment required'],
    ...['WWW-Authenticate', CHALLENGE, 'WWW-Authenticate', 'Payment id="1"', 'Cache-Control', 'no-store'],
  ],
  body: '',
  grpc: true,
}

async function start(
  handlers: Parameters<typeof startGrpcServer>[0] = {},
  options: Partial<Parameters<typeof startGateway>[0]> = {},
) {
  const books: Books = { entries: [] }
  const upstream = await startGrpcServer(handlers)
  const gateway = await startGateway({
    routing: [tableOf(`h2c://127.0.0.1:${upstream.port}`, ['/*'])],
    gate: passGate(books),
    ...options,
  })
  return { books, upstream, gateway, client: grpcClient(gateway.port) }
}

describe('gRPC through the gate', () => {
  it.each(KINDS)('%s: messages, metadata and trailers are as they were', async (kind) => {
    const { client, books, upstream } = await start()
    const parts = kind === 'Unary' || kind === 'Down' ? ['abc'] : ['a', 'b', 'c']
    const called = await callGrpc(client, kind, { parts, metadata: { 'x-mine': '1', token: 'secret' } })
    expect(called).toMatchObject({ code: 0, trailers: { 'x-tail': 'end' } })
    expect(called.parts.join('')).toBe('abc')
    expect(called.parts).toHaveLength(kind === 'Down' || kind === 'Both' ? 3 : 1)
    expect(upstream.seen[0]?.getMap()).toMatchObject({ 'x-mine': '1', 'x-l402-service': 'demo' })
    expect(books.entries).toEqual(['serve', 'commit'])
  })

  it('both directions at once: each message is answered before the next is sent', async () => {
    const { client, books } = await start()
    const { path, requestSerialize, responseDeserialize } = ECHO.Both
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    for (const text of ['one', 'two', 'three']) {
      call.write(Buffer.from(text))
      const [answer] = (await once(call, 'data')) as [Buffer]
      expect(answer.toString()).toBe(text)
    }
    expect(books.entries).toEqual(['serve'])
    call.end()
    const [status] = (await once(call.resume(), 'status')) as [grpc.StatusObject]
    expect(status.code).toBe(0)
    expect(books.entries).toEqual(['serve', 'commit'])
  })

  it('large messages pass whole', async () => {
    const { client } = await start()
    const big = 'x'.repeat(3_000_000)
    expect((await callGrpc(client, 'Unary', { parts: [big] })).parts[0] === big).toBe(true)
  })

  it.each(KINDS)('%s: an unpaid call gets code 13 and the challenge in its metadata', async (kind) => {
    const asked: GateRequest[] = []
    const gate = gateOf((request) => {
      asked.push(request)
      return PAYMENT_REQUIRED
    })
    const { client, upstream } = await start({}, { gate })
    const called = await callGrpc(client, kind, { parts: ['a'], metadata: { macaroon: '00ff' } })
    expect(called).toMatchObject({ code: 13, details: 'payment required', parts: [] })
    expect(called.trailers['www-authenticate']).toContain(CHALLENGE)
    expect(upstream.seen).toEqual([])
    const at = asked[0]?.headers.indexOf('macaroon') ?? -1
    expect(asked[0]?.headers[at + 1]).toBe('00ff')
  })

  it('the challenge is one HEADERS frame with END_STREAM', async () => {
    const { gateway } = await start({}, { gate: gateOf(() => PAYMENT_REQUIRED) })
    const session = await openH2(`http://127.0.0.1:${gateway.port}`)
    const stream = session.request({
      ':method': 'POST',
      ':path': '/paid.Echo/Unary',
      'content-type': 'application/grpc',
    })
    const [headers, flags] = (await once(stream, 'response')) as [Record<string, string>, number]
    expect(flags & 1).toBe(1)
    expect(headers).toMatchObject({ ':status': 200, 'grpc-status': '13', 'grpc-message': 'payment required' })
    expect(headers['content-length']).toBeUndefined()
    stream.destroy()

    // And as bytes: of all frames on stream 1, one, with END_HEADERS and END_STREAM.
    const socket = open(gateway.port)
    const types: number[][] = []
    let seen = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      seen = Buffer.concat([seen, chunk])
      while (seen.length >= 9 && seen.length >= 9 + seen.readUIntBE(0, 3)) {
        if (seen.readUInt32BE(5) === 1) types.push([seen[3] ?? -1, seen[4] ?? -1])
        seen = seen.subarray(9 + seen.readUIntBE(0, 3))
      }
    })
    const fields = [
      ':method',
      'POST',
      ':scheme',
      'http',
      ':path',
      '/p',
      ':authority',
      'a',
      'content-type',
      'application/grpc',
    ]
    const block = Buffer.concat(
      fields.map((text, i) =>
        Buffer.concat([Buffer.from(i % 2 === 0 ? [0, text.length] : [text.length]), Buffer.from(text)]),
      ),
    )
    const head = Buffer.from([0, 0, block.length, 1, 5, 0, 0, 0, 1])
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings, head, block]))
    // A ping behind it: what is answered after that came after the frame that is looked at.
    socket.write(Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]))
    await expect.poll(() => types).toEqual([[1, 5]])
    socket.destroy()
  })

  it.each([
    [grpc.status.UNAVAILABLE, ['release']],
    [grpc.status.INTERNAL, ['release']],
    [grpc.status.UNKNOWN, ['release']],
    [grpc.status.NOT_FOUND, ['serve', 'commit']],
    [grpc.status.INVALID_ARGUMENT, ['serve', 'commit']],
  ])('a code %i before the first message is passed on, and settled by it', async (code, entries) => {
    const { client, books } = await start({
      Unary: (_: unknown, done: grpc.sendUnaryData<Buffer>) => done({ code, details: 'à la carte: 100%' }),
    })
    expect(await callGrpc(client, 'Unary', { parts: ['a'] })).toMatchObject({
      code,
      details: 'à la carte: 100%',
    })
    expect(books.entries).toEqual(entries)
  })

  it('a failure after the head and before the first message gives the use back; after it, not', async () => {
    const fail = (call: grpc.ServerWritableStream<Buffer, Buffer>): void => {
      call.sendMetadata(new grpc.Metadata())
      if (call.request.length > 1) call.write(Buffer.from('x'))
      call.emit('error', { code: grpc.status.UNAVAILABLE, details: 'gone' })
    }
    const { client, books } = await start({ Down: fail })
    expect(await callGrpc(client, 'Down', { parts: ['a'] })).toMatchObject({ code: 14, details: 'gone' })
    expect(books.entries).toEqual(['serve', 'release'])
    books.entries.length = 0
    expect(await callGrpc(client, 'Down', { parts: ['ab'] })).toMatchObject({ code: 14, parts: ['x'] })
    expect(books.entries).toEqual(['serve', 'commit'])
  })

  it('the deadline reaches the upstream, and what is over there is over here', async () => {
    let deadline: grpc.Deadline = 0
    let cancelled = false
    const { client, gateway } = await start({
      Unary(call: grpc.ServerUnaryCall<Buffer, Buffer>) {
        deadline = call.getDeadline()
        call.on('cancelled', () => {
          cancelled = true
        })
      },
    })
    const called = await callGrpc(client, 'Unary', { parts: ['a'], deadlineMs: 300 })
    expect(called.code).toBe(grpc.status.DEADLINE_EXCEEDED)
    expect(Number(deadline)).toBeLessThan(Date.now() + 300)
    expect(Number(deadline)).toBeGreaterThan(0)
    await expect.poll(() => cancelled).toBe(true)
    await expect.poll(() => gateway.dataPlane.inFlight()).toBe(0)
  })

  it('a call that is cancelled is cancelled at the upstream, and counts once it was served', async () => {
    let cancelled = false
    const { client, books } = await start({
      Both(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
        call.on('data', (part: Buffer) => call.write(part))
        call.on('cancelled', () => {
          cancelled = true
        })
      },
    })
    const { path, requestSerialize, responseDeserialize } = ECHO.Both
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    call.on('error', () => {})
    call.write(Buffer.from('a'))
    await once(call, 'data')
    call.cancel()
    await expect.poll(() => cancelled).toBe(true)
    await expect.poll(() => books.entries).toEqual(['serve', 'commit'])
  })

  it('an answer of our own is gRPC’s too', async () => {
    const nowhere = await startUpstream()
    await nowhere.close()
    const books: Books = { entries: [] }
    const gateway = await startGateway({
      routing: [tableOf(nowhere.origin.replace('http:', 'h2c:'), ['/paid.Echo/Unary'])],
      gate: passGate(books),
    })
    const client = grpcClient(gateway.port)
    const down = await callGrpc(client, 'Unary', { parts: ['a'] })
    expect(down).toMatchObject({ code: 14, details: 'the service behind this gateway cannot be reached' })
    expect(books.entries).toEqual(['release'])
    expect((await callGrpc(client, 'Down', { parts: ['a'] })).code).toBe(12)
  })

  it('an upstream that does not answer in time is DEADLINE_EXCEEDED, and the use is given back', async () => {
    const books: Books = { entries: [] }
    const upstream = await startGrpcServer({ Unary: () => {} })
    const gateway = await startGateway({
      routing: [tableOf(`h2c://127.0.0.1:${upstream.port}`, ['/*'], { timeoutMs: 100 })],
      gate: passGate(books),
    })
    expect((await callGrpc(grpcClient(gateway.port), 'Unary', { parts: ['a'] })).code).toBe(4)
    expect(books.entries).toEqual(['release'])
  })

  it('an h2c upstream that is none is told so', async () => {
    const upstream = await startRawUpstream((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin.replace('http:', 'h2c:'), ['/*'])],
    })
    expect((await callGrpc(grpcClient(gateway.port), 'Unary', { parts: ['a'] })).code).toBeGreaterThan(0)
  })

  it('over TLS at both ends', async () => {
    const { cert, key } = selfSigned(['localhost', '127.0.0.1'], 7)
    const pair = [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }]
    const upstream = await startGrpcServer({}, grpc.ServerCredentials.createSsl(null, pair))
    const gateway = await startGateway({
      routing: [
        tableOf('', ['/*'], {
          upstream: {
            origin: `https://127.0.0.1:${upstream.port}`,
            basePath: '',
            protocol: 'h2',
            tls: { id: '1', ca: cert },
          },
        }),
      ],
      server: { tls: { cert, key } },
    })
    const client = grpcClient(gateway.port, grpc.credentials.createSsl(Buffer.from(cert)))
    for (const kind of KINDS) expect((await callGrpc(client, kind, { parts: ['a'] })).code).toBe(0)
  })

  it('a request without a body, and one of plain HTTP, reach the same upstream', async () => {
    const upstream = await startH2Upstream((stream, headers) => {
      stream.respond({ ':status': 200, 'x-path': headers[':path'] })
      stream.end('plain')
    })
    const gateway = await startGateway({ routing: [tableOf(upstream.origin, ['/*'])] })
    const session = await openH2(`http://127.0.0.1:${gateway.port}`)
    expect(await askH2(session, { ':path': '/a?b' })).toMatchObject({ status: 200, body: 'plain' })
  })

  it('codes that gRPC maps to a 5xx are an upstream’s fault', () => {
    const faults = Array.from({ length: 17 }, (_, code) => code).filter((code) =>
      isGrpcFault(['grpc-status', String(code)]),
    )
    expect(faults).toEqual([2, 4, 12, 13, 14, 15])
  })
})
