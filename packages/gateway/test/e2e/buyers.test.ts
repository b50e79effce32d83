import * as grpc from '@grpc/grpc-js'
import { payingInterceptor as connectBuyer } from '@turnpike/l402/client/connect'
import { payingInterceptor as grpcBuyer } from '@turnpike/l402/client/grpc'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  callConnect,
  connectClient,
  KINDS,
  PROTOCOLS,
  startConnect,
} from '../../../l402/test/support/echo-connect.ts'
import { callEcho, type EchoService, startEcho } from '../../../l402/test/support/echo-grpc.ts'
import { cleanUp, type Program, start } from './program.ts'

const routes = ['{ match: "POST /*", price: 5 sat, grants: { calls: 2 } }']
let echo: EchoService
let connect: Awaited<ReturnType<typeof startConnect>>
let inFrontOfGrpc: Program
let inFrontOfConnect: Program
beforeAll(async () => {
  echo = await startEcho(null)
  connect = await startConnect()
  inFrontOfGrpc = await start({ upstream: `h2c://127.0.0.1:${echo.port}`, routes })
  inFrontOfConnect = await start({ upstream: `h2c://127.0.0.1:${connect.port}`, routes })
})
afterAll(async () => {
  await cleanUp()
  connect.close()
  echo.close()
})

describe('a gateway in front of a gRPC service', () => {
  it.each(['unary', 'up', 'down', 'both'] as const)(
    'sells a %s call to the buyer of grpc-js',
    async (kind) => {
      const purse = memoryPurse()
      const { url, admin, port } = inFrontOfGrpc
      const paying = grpcBuyer({ origin: url, wallet: sandboxWallet({ url: admin }), purse })
      const credentials = grpc.credentials.createInsecure()
      const client = new grpc.Client(`127.0.0.1:${port}`, credentials, { interceptors: [paying] })
      const parts = ['one ', 'two ', 'three']
      for (const payments of [1, 1, 2]) {
        expect(await callEcho(client, kind, { parts })).toMatchObject({ code: 0, text: 'one two three' })
        expect(await purse.payments(9)).toHaveLength(payments)
      }
      await purse.setBudget({ overall: {}, hosts: { '127.0.0.1': { dayMsat: 14_000n } } })
      expect((await callEcho(client, kind, { parts })).code).toBe(0)
      expect(await callEcho(client, kind, { parts })).toMatchObject({ code: 9, text: '' })
      client.close()
    },
  )
})

describe('a gateway in front of a Connect service', () => {
  it.each(
    PROTOCOLS.flatMap((protocol) =>
      KINDS.filter((kind) => !(protocol === 'Connect over HTTP/1.1' && kind === 'both')).map(
        (kind) => [kind, protocol] as const,
      ),
    ),
  )('sells a %s call to the buyer of Connect, over %s', async (kind, protocol) => {
    const purse = memoryPurse()
    const { admin, port } = inFrontOfConnect
    const interceptors = [connectBuyer({ wallet: sandboxWallet({ url: admin }), purse })]
    const client = connectClient(protocol, { port, interceptors })
    const parts = ['one ', 'two ', 'three']
    for (const payments of [1, 1, 2]) {
      expect(await callConnect(client, kind, parts)).toBe('one two three')
      expect(await purse.payments(9)).toHaveLength(payments)
    }
  })
})
