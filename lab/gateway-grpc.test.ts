/** The built gateway between @grpc/grpc-js clients and a server of it: calls of all four kinds, paid for. */
import * as grpc from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, type Program } from '../packages/gateway/test/e2e/program.ts'
import { callGrpc, type ECHO, grpcClient, startGrpcServer } from '../packages/gateway/test/proxy/grpc.ts'
import { closeAll } from '../packages/gateway/test/proxy/harness.ts'
import { payGrpc } from './lib/grpc-payment.ts'
import { openShop } from './lib/shop.ts'

type Kind = keyof typeof ECHO

let gateway: Program
let client: grpc.Client
let seen: readonly grpc.Metadata[]
let metadata: Record<string, string>

beforeAll(async () => {
  const server = await startGrpcServer({
    // Slower than any deadline here, and told of the end.
    Up(call: grpc.ServerReadableStream<Buffer, Buffer>) {
      call.on('data', () => {})
      call.on('cancelled', () => cancelled++)
    },
  })
  seen = server.seen
  gateway = await openShop(`h2c://127.0.0.1:${server.port}`, {
    routes: ['{ match: "/paid.Echo/*", price: 10 sat, grants: { calls: 50 } }'],
  })
  client = grpcClient(gateway.port)
  metadata = await payGrpc(client, gateway)
})
afterAll(async () => {
  await closeAll()
  await cleanUp()
})

let cancelled = 0
const kinds: readonly (readonly [Kind, readonly string[], readonly string[]])[] = [
  ['Unary', ['one'], ['one']],
  ['Down', ['abc'], ['a', 'b', 'c']],
  ['Both', ['a', 'b', 'c'], ['a', 'b', 'c']],
]

describe('gRPC', () => {
  it.each(kinds)(
    '%s is refused by its status alone, and served whole with its trailers when paid',
    async (kind, parts, answer) => {
      const before = seen.length
      const refused = await callGrpc(client, kind, { parts })
      expect([refused.code, refused.parts]).toEqual([grpc.status.INTERNAL, []])
      expect(String(refused.trailers['www-authenticate'])).toMatch(/^L402 /)
      expect(seen.length).toBe(before)
      const served = await callGrpc(client, kind, { parts, metadata })
      expect([served.code, served.parts]).toEqual([grpc.status.OK, answer])
      expect(served.trailers['x-tail']).toBe('end')
      expect(seen.length).toBe(before + 1)
      expect(seen.at(-1)?.get('x-l402-token-id')).toHaveLength(1)
      expect(seen.at(-1)?.get('authorization')).toEqual([])
    },
  )

  it('a client stream is served whole, and a deadline reaches the server', async () => {
    const whole = await startGrpcServer()
    const shop = await openShop(`h2c://127.0.0.1:${whole.port}`, {
      routes: ['{ match: "/paid.Echo/*", price: 10 sat, grants: { calls: 50 } }'],
    })
    const other = grpcClient(shop.port)
    const bought = await payGrpc(other, shop)
    const served = await callGrpc(other, 'Up', { parts: ['a', 'b', 'c'], metadata: bought })
    expect([served.code, served.parts]).toEqual([grpc.status.OK, ['abc']])
    const late = await callGrpc(client, 'Up', { parts: ['a'], metadata, deadlineMs: 500 })
    expect(late.code).toBe(grpc.status.DEADLINE_EXCEEDED)
    await expect.poll(() => cancelled, { timeout: 30_000 }).toBe(1)
  })
})
