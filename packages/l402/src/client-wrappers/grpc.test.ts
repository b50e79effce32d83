import { once } from 'node:events'
import * as grpc from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callEcho, ECHO, type EchoService, startEcho } from '../../test/support/echo-grpc.ts'
import { type MemoryLightning, memoryLightning } from '../lightning/memory.ts'
import type { PurseStore } from '../stores/purse.ts'
import { memoryPurse } from '../stores/purse-memory/index.ts'
import { type GrpcBuyerOptions, payingInterceptor, paymentErrorOf } from './grpc.ts'

let lightning: MemoryLightning
let echo: EchoService
let purse: PurseStore
const clients: grpc.Client[] = []
beforeEach(async () => {
  lightning = memoryLightning()
  echo = await startEcho(lightning)
  purse = memoryPurse()
})
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
  echo.close()
})

const KINDS = ['unary', 'up', 'down', 'both'] as const
const spent = (): Promise<bigint> => lightning.sellerBalanceMsat()

function make(options: Partial<GrpcBuyerOptions> = {}): grpc.Client {
  const target = `127.0.0.1:${echo.port}`
  const paying = payingInterceptor({ origin: `http://${target}`, wallet: lightning, purse, ...options })
  const client = new grpc.Client(target, grpc.credentials.createInsecure(), { interceptors: [paying] })
  clients.push(client)
  return client
}

describe('the buyer for @grpc/grpc-js', () => {
  it.each(KINDS)(
    'buys a %s call, presents what it bought, and buys again when it is used up',
    async (kind) => {
      const client = make()
      const parts = ['one ', 'two ', 'three']
      for (const sats of [1n, 1n, 2n]) {
        expect(await callEcho(client, kind, { parts })).toMatchObject({
          code: 0,
          text: 'one two three',
          error: null,
        })
        expect(await spent()).toBe(sats * 1000n)
      }
      expect(await purse.payments(9)).toMatchObject([
        { host: '127.0.0.1', method: 'POST', url: `http://127.0.0.1:${echo.port}${ECHO[kind].path}` },
        { served: 'redeemed', state: 'settled' },
      ])
    },
  )

  it('presents the credential as authorization and as a hex macaroon with its proof (protocol §2)', async () => {
    const metadata = new grpc.Metadata()
    metadata.set('x-mine', 'yes')
    await callEcho(make(), 'unary', { metadata })
    const sent = echo.seen[0]?.getMap() ?? {}
    expect(sent['x-mine']).toBe('yes')
    expect(sent['authorization']).toMatch(/^L402 [\w+/]+=*:[0-9a-f]{64}$/)
    expect(Buffer.from(String(sent['macaroon']), 'hex').toString('latin1')).toMatch(/preimage=[0-9a-f]{64}/)
    // What the caller gave is as it was.
    expect(metadata.getMap()).toEqual({ 'x-mine': 'yes' })
  })

  it("lets the user's own Authorization be, and sends the macaroon beside it where told to (C6)", async () => {
    const metadata = new grpc.Metadata()
    metadata.set('authorization', 'Bearer mine')
    const refused = await callEcho(make(), 'unary', { metadata })
    expect(refused.code).toBe(9)
    expect(await spent()).toBe(0n)
    const client = make({ ownAuthorization: 'macaroon-header' })
    expect((await callEcho(client, 'unary', { metadata })).code).toBe(0)
    expect(echo.seen[0]?.get('authorization')).toEqual(['Bearer mine'])
  })

  it.each(KINDS)('pays nothing for a %s call beyond the budget of the host, and says why', async (kind) => {
    await purse.setBudget({ overall: {}, hosts: { '127.0.0.1': { dayMsat: 999n } } })
    const { code, details, error } = await callEcho(make(), kind)
    expect(code).toBe(9)
    expect(details).toContain('host day')
    expect(paymentErrorOf(error as grpc.ServiceError)).toMatchObject({
      code: 'payment_refused',
      details: { reason: 'over_budget' },
    })
    expect(await spent()).toBe(0n)
    expect(echo.seen).toEqual([])
  })

  it('makes one purchase of calls made at once', async () => {
    const client = make()
    const calls = await Promise.all([callEcho(client, 'unary'), callEcho(client, 'unary')])
    expect(calls.map(({ code }) => code)).toEqual([0, 0])
    expect(await spent()).toBe(1000n)
  })

  it.each(KINDS)(
    'hands the errors of a %s handler on, and what was paid for is presented again (C8)',
    async (kind) => {
      echo.fails = grpc.status.UNAVAILABLE
      const client = make()
      expect(await callEcho(client, kind)).toMatchObject({ code: 14, details: 'its own' })
      expect(await purse.payments(1)).toMatchObject([
        { state: 'settled', served: 'not_served', lastStatus: 503 },
      ])
      echo.fails = undefined
      expect((await callEcho(client, kind)).code).toBe(0)
      expect(await spent()).toBe(1000n)
      expect(await purse.payments(9)).toMatchObject([{ served: 'redeemed' }])
    },
  )

  it('talks both ways at once: each message is answered before the next is written', async () => {
    const { path, requestSerialize, responseDeserialize } = ECHO.both
    const call = make().makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    for (const text of ['one', 'two', 'three']) {
      await new Promise((resolve) => call.write(Buffer.from(text), resolve))
      const [answer] = (await once(call, 'data')) as [Buffer]
      expect(answer.toString()).toBe(text)
    }
    call.end()
    const [status] = (await once(call.resume(), 'status')) as [grpc.StatusObject]
    expect(status.code).toBe(0)
    expect(await spent()).toBe(1000n)
  })

  it('sends more messages than it keeps, once the call is served', async () => {
    const client = make({ bufferedMessages: 4 })
    const { path, requestSerialize, responseDeserialize } = ECHO.both
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    let got = 0
    call.on('data', () => got++)
    const ended = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve))
    for (let n = 0; n < 50; n++) await new Promise((resolve) => call.write(Buffer.from('x'), resolve))
    call.end()
    expect((await ended).code).toBe(0)
    expect(got).toBe(50)
  })

  it('refuses before paying where more was sent than it keeps (C6)', async () => {
    // A server that reads on before it asks for money.
    echo.close()
    const server = new grpc.Server()
    let asked = 0
    server.addService(ECHO, {
      up(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
        let parts = 0
        call.on('data', () => {
          if (++parts !== 4) return
          asked++
          const metadata = new grpc.Metadata()
          metadata.set('www-authenticate', challenge)
          done(Object.assign(new Error(''), { code: 13, details: 'payment required', metadata }))
        })
      },
    })
    const { challengeOf } = await import('../../test/support/seller.ts')
    const challenge = challengeOf(new Map()).header
    const port = await new Promise<number>((resolve) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
    )
    echo = { ...echo, port, close: () => server.forceShutdown() }
    const parts = Array.from({ length: 9 }, () => 'x')
    const { code, error } = await callEcho(make({ bufferedMessages: 2, holdMs: 5 }), 'up', { parts })
    expect([code, asked]).toEqual([9, 1])
    expect(paymentErrorOf(error as grpc.ServiceError)?.code).toBe('not_replayable')
    expect(await purse.payments(9)).toEqual([])
  })

  it('ends with the deadline or when it is cancelled while somebody is asked, and nothing is paid', async () => {
    let asked = 0
    const approve: NonNullable<GrpcBuyerOptions['approve']> = (_, { signal }) => {
      asked++
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const client = make({ approve, approveAboveMsat: 0n })
    const options = { deadline: Date.now() + 300 }
    expect((await callEcho(client, 'unary', { options })).code).toBe(4)
    const { path, requestSerialize, responseDeserialize } = ECHO.both
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
    call.on('error', () => {})
    await expect.poll(() => asked).toBe(2)
    const ended = new Promise<grpc.StatusObject>((resolve) => call.on('status', resolve))
    call.cancel()
    expect((await ended).code).toBe(1)
    await expect.poll(async () => (await purse.openPayments()).length).toBe(0)
    expect(await spent()).toBe(0n)
  })

  it('does not pay for what only looks like it: another code, another text', async () => {
    echo.fails = grpc.status.INTERNAL
    lightning = memoryLightning()
    echo.close()
    echo = await startEcho(null)
    echo.fails = grpc.status.INTERNAL
    expect(await callEcho(make(), 'unary')).toMatchObject({ code: 13, details: 'its own' })
    expect(await purse.payments(9)).toEqual([])
  })

  it('says at set-up what cannot be meant', () => {
    const wallet = lightning
    expect(() => payingInterceptor({ origin: 'api.example.com:443', wallet, purse })).toThrow(TypeError)
    const origin = 'https://api.example.com'
    expect(() => payingInterceptor({ origin, wallet, purse, bufferedMessages: -1 })).toThrow(RangeError)
  })
})
