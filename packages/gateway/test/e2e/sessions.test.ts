/** Sessions of the Payment scheme (protocol §6), through the real program: what ends in the gateway never goes upstream. */

import {
  decodeJsonObject,
  formatPaymentCredential,
  type JsonObject,
  type PaymentChallenge,
  parsePaymentChallenges,
  parsePaymentReceipt,
} from '@turnpike/l402/payment-scheme'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { encodeInvoice } from '../../../l402/src/core/bolt11/index.ts'
import { ask, type Response } from './client.ts'
import { cleanUp, type Program, pay, start } from './program.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let gateway: Program
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await start({
    upstream: upstream.origin,
    routes: ['{ match: "/paid/*", price: 10 sat, grants: { calls: 5 } }'],
  })
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

async function offer(): Promise<PaymentChallenge> {
  const refused = await ask(gateway.url, 'GET', '/paid/x', {
    headers: { 'Accept-Payment': 'lightning/session' },
  })
  const [found] = parsePaymentChallenges(refused.all('www-authenticate'))
  if (found === undefined) throw new Error('expected a session to be offered')
  const { doubtful, ...challenge } = found
  return challenge
}

async function deposit(): Promise<{ readonly challenge: PaymentChallenge; readonly preimage: string }> {
  const challenge = await offer()
  const { depositInvoice } = decodeJsonObject(challenge.request) ?? {}
  return { challenge, preimage: await pay(gateway.admin, String(depositInvoice)) }
}

function act(challenge: PaymentChallenge, payload: JsonObject, path = '/paid/x'): Promise<Response> {
  return ask(gateway.url, 'GET', path, {
    headers: {
      Authorization: formatPaymentCredential({ challenge, payload }),
      'Accept-Payment': 'lightning/session',
    },
  })
}

function returnInvoice(): string {
  const fields = { network: 'regtest', amountMsat: null, timestamp: Math.floor(Date.now() / 1000) } as const
  const hash = new Uint8Array(32).fill(3)
  const key = new Uint8Array(32).fill(1)
  return encodeInvoice({ ...fields, description: 'back', paymentHash: hash, paymentSecret: hash }, key)
}

it('is opened, used, topped up and closed; topUp and close end here', async () => {
  const { challenge, preimage } = await deposit()
  const sessionId = String(decodeJsonObject(challenge.request)?.['paymentHash'])
  const opened = await act(challenge, { action: 'open', preimage, returnInvoice: returnInvoice() })
  expect([opened.status, opened.header('cache-control')]).toEqual([200, 'private'])
  expect(parsePaymentReceipt(opened.header('payment-receipt'))).toMatchObject({ reference: sessionId })
  const bearer = { action: 'bearer', sessionId, preimage }
  expect((await act(await offer(), bearer)).header('ratelimit')).toBe('"calls";r=3')
  expect(upstream.seen).toHaveLength(2)
  expect(upstream.seen.map(({ headers }) => headers['authorization'])).toEqual([undefined, undefined])

  const more = await deposit()
  const topUp = { action: 'topUp', sessionId, topUpPreimage: more.preimage }
  for (let i = 0; i < 2; i++) {
    const answer = await act(more.challenge, topUp)
    expect([answer.status, answer.body]).toEqual([200, '{"status":"ok"}'])
  }
  const line = formatPaymentCredential({ challenge, payload: bearer })
  const balance = async (): Promise<{ session: object; services: { budgets: { left: number }[] }[] }> =>
    JSON.parse(
      (await ask(gateway.url, 'GET', '/.well-known/l402/balance', { headers: { Authorization: line } })).body,
    )
  expect(await balance()).toMatchObject({
    session: { status: 'open' },
    services: [{ budgets: [{ left: 8 }] }],
  })

  // No wallet is configured here, so nothing is paid back, and the answer says where the money is.
  const closed = await act(challenge, { action: 'close', sessionId, preimage })
  expect(closed.status).toBe(200)
  expect(JSON.parse(closed.body)).toMatchObject({ status: 'closed', refundSats: 0, refundStatus: 'skipped' })
  expect(parsePaymentReceipt(closed.header('payment-receipt'))).toMatchObject({ refundStatus: 'skipped' })
  expect(upstream.seen).toHaveLength(2)
  const late = await act(challenge, bearer)
  expect(late.status).toBe(402)
  expect(JSON.parse(late.body)).toMatchObject({
    type: 'https://paymentauth.org/problems/lightning/session-closed',
    refundStatus: 'skipped',
  })
  expect(await balance()).toMatchObject({ session: { status: 'closed', refundStatus: 'skipped' } })
  // Nothing of it is lost.
  const macaroon = String(decodeJsonObject(challenge.opaque ?? '')?.['macaroon'])
  const left = await ask(gateway.url, 'GET', '/paid/x', {
    headers: { Authorization: `L402 ${macaroon}:${preimage}` },
  })
  expect(left.status).toBe(200)
  expect(gateway.output()).not.toContain(preimage)
  expect(gateway.output()).not.toContain(macaroon)
})
