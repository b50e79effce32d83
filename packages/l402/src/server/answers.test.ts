import { describe, expect, it } from 'vitest'
import { type Reason, refuse } from '../core/refusal.ts'
import {
  challengeAnswer,
  lightningUnavailable,
  overRateAnswer,
  storeUnavailable,
  tooManyAnswer,
} from './answers.ts'
import type { GateRequest } from './gate.ts'
import { REASONS } from './reason-table.ts'

const issued = {
  header: 'L402 token="t", invoice="i"',
  macaroon: 'bWFj',
  invoice: 'lnbcrt1',
  amountMsat: 1500n,
  paymentHash: '00'.repeat(32),
  tokenId: 'ee'.repeat(32),
  expiresAt: 1_800_000_000,
}
const plain: GateRequest = {
  method: 'GET',
  path: '/a',
  headers: [],
  clientAddress: '127.0.0.1',
  route: {
    service: 'weather',
    name: 'GET /a',
    free: false,
    priceMsat: 1500n,
    grants: { calls: 1 },
    capability: 'GET /a',
  },
}
const grpc: GateRequest = { ...plain, headers: ['Content-Type', 'application/grpc+proto'] }
const credentialFaults = Object.keys(REASONS).filter(
  (reason) => REASONS[reason as Reason].status === 402,
) as Reason[]

describe('a credential that does not open the route', () => {
  it('is every reason but the limits and the faults of the server', () => {
    const others = Object.keys(REASONS).filter((reason) => !credentialFaults.includes(reason as Reason))
    expect(others).toEqual([
      'over_rate',
      'rate_limited',
      'address_denied',
      'challenge_limit',
      'challenge_capacity',
      'lightning_unavailable',
      'store_unavailable',
      'price_unavailable',
      'unpriceable',
      'idempotency_invalid',
      'idempotency_conflict',
      'idempotency_running',
      'idempotency_unkept',
      'idempotency_lost',
      'page',
      'session',
    ])
  })

  it.each(credentialFaults)('answers 402 with a challenge and a problem that names it: %s', (reason) => {
    const { status, headers, body } = challengeAnswer(plain, refuse(reason, 'why'), {
      issued,
      payment: ['WWW-Authenticate', 'Payment id="a"'],
    })
    expect(status).toBe(402)
    expect(headers.slice(0, 4)).toEqual([
      ...['WWW-Authenticate', issued.header],
      ...['WWW-Authenticate', 'Payment id="a"'],
    ])
    expect(JSON.parse(body)).toMatchObject({
      type: `urn:turnpike:problem:${reason}`,
      title: REASONS[reason].title,
      status: 402,
      code: reason,
      detail: 'why',
      priceSats: 2,
      priceMsat: 1500,
    })
  })

  it.each(credentialFaults)('answers gRPC in one frame with status 13: %s', (reason) => {
    const {
      status,
      headers,
      grpc: isGrpc,
    } = challengeAnswer(grpc, refuse(reason, 'why'), {
      issued,
      payment: ['WWW-Authenticate', 'Payment id="a"'],
    })
    expect([status, isGrpc]).toEqual([200, true])
    expect(headers).toEqual([
      ...['Content-Type', 'application/grpc', 'grpc-status', '13', 'grpc-message', 'payment required'],
      ...['WWW-Authenticate', issued.header, 'Cache-Control', 'no-store'],
    ])
  })
})

describe('answers without a challenge', () => {
  const over = refuse('over_rate', 'why', { retryAfterSeconds: 7 })
  it.each([
    ['over_rate', (request: GateRequest) => overRateAnswer(request, over)],
    ['challenge_limit', (request: GateRequest) => tooManyAnswer(request, 'challenge_limit', 'why', 7)],
  ] as const)('%s is 429 with Retry-After, to gRPC 8', (reason, answerTo) => {
    const answer = answerTo(plain)
    expect(answer.status).toBe(429)
    expect(answer.headers.slice(-2)).toEqual(['Retry-After', '7'])
    expect(JSON.parse(answer.body)).toMatchObject({ status: 429, code: reason, title: 'Too Many Requests' })
    expect(answerTo(grpc).headers).toEqual([
      ...['Content-Type', 'application/grpc', 'grpc-status', '8', 'grpc-message', 'too many requests'],
      ...['Retry-After', '7', 'Cache-Control', 'no-store'],
    ])
  })

  it.each([
    ['lightning_unavailable', lightningUnavailable],
    ['store_unavailable', storeUnavailable],
  ] as const)('%s is 503 with Retry-After, to gRPC 14', (reason, answerTo) => {
    const answer = answerTo(plain)
    expect(answer.status).toBe(503)
    expect(answer.headers.slice(-2)).toEqual(['Retry-After', '5'])
    expect(JSON.parse(answer.body)).toMatchObject({
      status: 503,
      code: reason,
      title: 'Service Unavailable',
    })
    expect(answerTo(grpc).headers).toContain('14')
  })
})
