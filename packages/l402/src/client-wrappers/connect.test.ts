import { Code, ConnectError, type Interceptor } from '@connectrpc/connect'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  callConnect,
  connectClient,
  KINDS,
  PROTOCOLS,
  type Protocol,
  startConnect,
} from '../../test/support/echo-connect.ts'
import { challengeOf, type Secrets, type TestWallet, testWallet } from '../../test/support/seller.ts'
import { parseCredentials } from '../core/credential.ts'
import type { PurseStore } from '../stores/purse.ts'
import { memoryPurse } from '../stores/purse-memory/index.ts'
import { payingInterceptor, type RpcOptions } from './connect.ts'

let secrets: Secrets
let wallet: TestWallet
let purse: PurseStore
let service: Awaited<ReturnType<typeof startConnect>> | undefined
/** Headers of what was served. */
let served: Headers[]
let fails: Code | undefined
beforeEach(() => {
  secrets = new Map()
  wallet = testWallet(secrets)
  purse = memoryPurse()
  served = []
  fails = undefined
})
afterEach(() => service?.close())

/** Asks for money as a Connect server does: with an error that has the challenge in its metadata. */
const toll: Interceptor = (next) => async (request) => {
  const lines = [...request.header].flat()
  if (!parseCredentials(lines).ok)
    throw new ConnectError('payment required', Code.Internal, {
      'www-authenticate': challengeOf(secrets).header,
    })
  served.push(request.header)
  if (fails !== undefined) throw new ConnectError('its own', fails)
  return await next(request)
}

async function make(protocol: Protocol, options: Partial<RpcOptions> = {}) {
  service = await startConnect([toll], protocol === 'Connect over HTTP/1.1' ? '1.1' : '2')
  const interceptors = [payingInterceptor({ wallet, purse, ...options })]
  return connectClient(protocol, { port: service.port, interceptors })
}

// HTTP/1.1 cannot stream both ways.
const cases = PROTOCOLS.flatMap((protocol) =>
  KINDS.filter((kind) => !(protocol === 'Connect over HTTP/1.1' && kind === 'both')).map(
    (kind) => [protocol, kind] as const,
  ),
)

describe('the buyer for Connect', () => {
  it.each(cases)('over %s buys a %s call, and presents what it bought', async (protocol, kind) => {
    const client = await make(protocol)
    const parts = ['one ', 'two ', 'three']
    expect(await callConnect(client, kind, parts)).toBe('one two three')
    expect(await callConnect(client, kind, parts)).toBe('one two three')
    expect(wallet.paid).toHaveLength(1)
    expect(await purse.payments(9)).toMatchObject([
      { host: '127.0.0.1', method: 'POST', served: 'redeemed', url: expect.stringContaining('/echo.Echo/') },
    ])
    expect(served[0]?.get('authorization')).toMatch(/^L402 /)
    expect(served[0]?.get('macaroon')).toMatch(/^[0-9a-f]+$/)
  })

  it.each(cases)(
    'over %s pays nothing for a %s call beyond the budget, and says why',
    async (protocol, kind) => {
      await purse.setBudget({ overall: {}, hosts: { '127.0.0.1': { requestMsat: 1n } } })
      const error = await callConnect(await make(protocol), kind)
      expect(error).toMatchObject({
        code: Code.FailedPrecondition,
        cause: { code: 'payment_refused', details: { reason: 'over_budget' } },
      })
      expect([wallet.paid, served]).toEqual([[], []])
    },
  )

  it.each(cases)(
    'over %s hands the error of a %s handler on, and presents again what was paid (C8)',
    async (protocol, kind) => {
      const client = await make(protocol)
      fails = Code.Unavailable
      expect(await callConnect(client, kind)).toMatchObject({ code: Code.Unavailable, rawMessage: 'its own' })
      expect(await purse.payments(9)).toMatchObject([{ served: 'not_served', lastStatus: 503 }])
      fails = undefined
      expect(await callConnect(client, kind)).toBe('hi')
      expect(wallet.paid).toHaveLength(1)
    },
  )

  it('talks both ways at once', async () => {
    const client = await make('gRPC')
    let say: (value: string | null) => void = () => {}
    const said: (string | null)[] = ['one']
    async function* requests() {
      for (;;) {
        if (said.length === 0)
          await new Promise<void>((resolve) => {
            say = (value) => {
              said.push(value)
              resolve()
            }
          })
        const value = said.shift()
        if (typeof value !== 'string') return
        yield { value }
      }
    }
    const got: string[] = []
    for await (const { value } of client.both(requests())) {
      got.push(value)
      say(value === 'one' ? 'two' : value === 'two' ? 'three' : null)
    }
    expect(got).toEqual(['one', 'two', 'three'])
    expect(wallet.paid).toHaveLength(1)
  })

  it('sends more messages than it keeps, once the call is served', async () => {
    const client = await make('gRPC', { bufferedMessages: 3 })
    const parts = Array.from({ length: 40 }, (_, n) => `${n},`)
    expect(await callConnect(client, 'both', parts)).toBe(parts.join(''))
    expect(await callConnect(client, 'both', parts)).toBe(parts.join(''))
    expect(wallet.paid).toHaveLength(1)
  })

  it('never refuses for the time that paying took', async () => {
    const client = await make('gRPC', { bufferedMessages: 2, holdMs: 1_000 })
    const parts = ['a', 'b', 'c', 'd']
    const pay = wallet.onPay
    wallet.onPay = async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      return await pay(request)
    }
    expect(await callConnect(client, 'up', parts)).toBe('abcd')
  })

  it("refuses a call with the user's own Authorization before paying (C6)", async () => {
    const mine: Interceptor = (next) => (request) => {
      request.header.set('authorization', 'Bearer mine')
      return next(request)
    }
    service = await startConnect([toll])
    const interceptors = [mine, payingInterceptor({ wallet, purse })]
    const client = connectClient('gRPC', { port: service.port, interceptors })
    expect(await callConnect(client, 'unary')).toMatchObject({ code: Code.FailedPrecondition })
    expect(wallet.paid).toEqual([])
  })

  it('ends when it is aborted while somebody is asked, and nothing is paid', async () => {
    const abort = new AbortController()
    const approve: NonNullable<RpcOptions['approve']> = (_, { signal }) => {
      abort.abort()
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const client = await make('Connect', { approve, approveAboveMsat: 0n })
    const call = client.unary({ value: 'x' }, { signal: abort.signal })
    await expect(call).rejects.toMatchObject({ code: Code.Canceled })
    expect(wallet.paid).toEqual([])
  })

  it('does not pay for a challenge beside another error', async () => {
    service = await startConnect([
      () => async () => {
        const metadata = { 'www-authenticate': challengeOf(secrets).header }
        throw new ConnectError('who are you', Code.Unauthenticated, metadata)
      },
    ])
    const interceptors = [payingInterceptor({ wallet, purse })]
    const client = connectClient('gRPC', { port: service.port, interceptors })
    expect(await callConnect(client, 'unary')).toMatchObject({ code: Code.Unauthenticated })
    expect(wallet.paid).toEqual([])
  })
})
