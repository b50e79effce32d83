/** What the data plane does with requests that nobody pays for: denied, for nothing, or in shadow. */

import { afterEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  gateOf,
  get,
  passGate,
  request,
  sendRaw,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import type { RequestRecord } from './visit.ts'

afterEach(closeAll)

describe('an address that is denied', () => {
  it('gets 403 whatever it asks for, and the upstream nothing', async () => {
    const upstream = await startUpstream()
    const { port } = await startGateway({
      routing: [tableOf(upstream.origin)],
      trustedProxies: () => (peer) => peer === '127.0.0.1',
      denied: () => (address) => address === '192.0.2.7',
    })
    const from = (address: string): readonly string[] => [`X-Forwarded-For: ${address}`]
    for (const target of ['/free/x', '/paid/x', '/nowhere', '/.well-known/l402/balance']) {
      const { status, body } = await get(port, target, from('192.0.2.7'))
      expect([status, JSON.parse(body).code]).toEqual([403, 'address_denied'])
    }
    expect((await sendRaw(port, request('OPTIONS', '/free/x', from('::ffff:192.0.2.7')))).status).toBe(403)
    const grpc = await get(port, '/paid/x', [...from('192.0.2.7'), 'Content-Type: application/grpc'])
    expect(grpc).toMatchObject({ status: 200, head: expect.stringMatching(/^grpc-status: 7\r?$/m) })
    expect(upstream.seen).toEqual([])
    expect((await get(port, '/free/x', from('192.0.2.8'))).status).toBe(200)
  })
})

describe('a freebie', () => {
  it('is settled like a use, tells the upstream of no payer, and is no paid request', async () => {
    const upstream = await startUpstream()
    const books = { entries: [] as string[] }
    const records: RequestRecord[] = []
    const gate = gateOf(async (asked) => {
      const decision = await passGate(books).decide(asked)
      if (decision.outcome !== 'pass' || decision.entitlement === null) return decision
      const entitlement = { ...decision.entitlement, tokenId: '', paymentHash: '', freebie: true as const }
      return { outcome: 'pass', entitlement }
    })
    const { port } = await startGateway({
      routing: [tableOf(upstream.origin)],
      gate,
      hooks: { finished: (record) => void records.push(record) },
    })
    expect((await get(port, '/paid/x')).status).toBe(200)
    expect(books.entries).toEqual(['serve', 'commit'])
    expect(upstream.seen[0]?.rawHeaders.join()).not.toMatch(/x-l402/i)
    await upstream.close()
    expect((await get(port, '/paid/x')).status).toBe(502)
    expect(books.entries).toEqual(['serve', 'commit', 'release'])
    expect(records.map(({ paid }) => paid)).toEqual([false, false])
  })
})

describe('a request in shadow', () => {
  it('goes to the upstream, and its record says why it would have been refused', async () => {
    const upstream = await startUpstream()
    const records: RequestRecord[] = []
    const { port } = await startGateway({
      routing: [tableOf(upstream.origin)],
      gate: gateOf(() => ({ outcome: 'pass', entitlement: null, shadow: 'missing' })),
      hooks: { finished: (record) => void records.push(record) },
    })
    expect((await get(port, '/paid/x')).status).toBe(200)
    expect(records).toMatchObject([{ outcome: 'proxied', paid: false, shadow: 'missing', status: 200 }])
  })
})
