import { afterEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  gateOf,
  get,
  open,
  type RawAnswer,
  REFUSED,
  readAll,
  readUntil,
  refuseGate,
  sendRaw,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'
import type { RequestRecord } from './index.ts'

afterEach(closeAll)

function problemOf(answer: RawAnswer): unknown {
  expect(answer.head).toMatch(/^Content-Type: application\/problem\+json$/m)
  return JSON.parse(answer.body)
}

describe('a refusal', () => {
  it('is sent as the gate made it, and the upstream sees nothing of it', async () => {
    const upstream = await startUpstream()
    const records: RequestRecord[] = []
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin)],
      gate: refuseGate(),
      hooks: { finished: (record) => records.push(record) },
    })
    const answer = await get(gateway.port, '/paid/x')
    expect(answer).toMatchObject({ status: 402, body: REFUSED.body })
    expect(answer.head).toMatch(
      /^HTTP\/1\.1 402 Payment Required\r\nWWW-Authenticate: L402 macaroon="M", invoice="I", version="0", token="M"\r\n/,
    )
    expect(answer.head).not.toContain('Access-Control')
    const crossOrigin = await get(gateway.port, '/paid/x', ['Origin: https://app.test'])
    expect(crossOrigin.head).toMatch(/^Access-Control-Expose-Headers: WWW-Authenticate, /m)
    expect(upstream.seen).toEqual([])
    expect(records[0]).toMatchObject({
      status: 402,
      outcome: 'refused',
      code: 'missing',
      path: '/paid/x',
      paid: false,
    })
  })

  it('comes before a body that waits for 100 Continue; a pass asks for it', async () => {
    const upstream = await startUpstream()
    const routing = [tableOf(upstream.origin)]
    const refusing = await startGateway({ routing, gate: refuseGate() })
    const lines = 'HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n'
    const refused = await sendRaw(refusing.port, `POST /paid/x ${lines}\r\n`)
    expect(refused.status).toBe(402)
    expect(refused.head).toMatch(/^Connection: close$/m)
    expect(upstream.seen).toEqual([])
    const passing = await startGateway({ routing })
    const socket = open(passing.port)
    socket.write(`POST /paid/x ${lines}Connection: close\r\n\r\n`)
    expect(await readUntil(socket, /\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('hi')
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 200/)
    expect(upstream.seen.map(({ body }) => body)).toEqual(['hi'])
    expect(upstream.seen[0]?.rawHeaders.join().toLowerCase()).not.toContain('expect')
    const other = await get(passing.port, '/free/x', ['Expect: magic'])
    expect(other.status).toBe(417)
  })

  it.each<[string, () => never | Promise<never>]>([
    [
      'throws',
      () => {
        throw new Error('secret')
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret'))],
  ])('a gate that %s is 500, says nothing, and passes nothing', async (_, decide) => {
    const upstream = await startUpstream()
    const faults: string[] = []
    const gateway = await startGateway({
      routing: [tableOf(upstream.origin)],
      gate: gateOf(decide),
      hooks: { fault: (code) => faults.push(code) },
    })
    const answer = await get(gateway.port, '/paid/x')
    expect(answer.status).toBe(500)
    expect(problemOf(answer)).toMatchObject({ code: 'internal_error' })
    expect(answer.body).not.toContain('secret')
    expect(faults).toEqual(['internal_error'])
    expect(upstream.seen).toEqual([])
  })
})
