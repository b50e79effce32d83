/** Sessions of the Payment scheme (protocol §6), through the real program: what ends in the gateway never goes upstream. */

import { decodeJsonObject, parsePaymentReceipt } from '@turnpike/l402/payment-scheme'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask } from './client.ts'
import { cleanUp, type Program, start } from './program.ts'
import { act, deposit, lineOf, offer, returnInvoice } from './session-client.ts'
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

const PAID = { path: '/paid/x' }

it('is opened, used, topped up and closed; topUp and close end here', async () => {
  const { challenge, preimage, sessionId } = await deposit(gateway, PAID)
  const open = { action: 'open', preimage, returnInvoice: returnInvoice() }
  const opened = await act(gateway, PAID, { challenge, payload: open })
  expect([opened.status, opened.header('cache-control')]).toEqual([200, 'private'])
  expect(parsePaymentReceipt(opened.header('payment-receipt'))).toMatchObject({ reference: sessionId })
  const bearer = { action: 'bearer', sessionId, preimage }
  expect(
    (await act(gateway, PAID, { challenge: await offer(gateway, PAID), payload: bearer })).header(
      'ratelimit',
    ),
  ).toBe('"calls";r=3')
  expect(upstream.seen).toHaveLength(2)
  expect(upstream.seen.map(({ headers }) => headers['authorization'])).toEqual([undefined, undefined])

  const more = await deposit(gateway, PAID)
  const topUp = { action: 'topUp', sessionId, topUpPreimage: more.preimage }
  for (let i = 0; i < 2; i++) {
    const answer = await act(gateway, PAID, { challenge: more.challenge, payload: topUp })
    expect([answer.status, answer.body]).toEqual([200, '{"status":"ok"}'])
  }
  const line = lineOf(challenge, bearer)
  const balance = async (): Promise<{ session: object; services: { budgets: { left: number }[] }[] }> =>
    JSON.parse(
      (await ask(gateway.url, 'GET', '/.well-known/l402/balance', { headers: { Authorization: line } })).body,
    )
  expect(await balance()).toMatchObject({
    session: { status: 'open' },
    services: [{ budgets: [{ left: 8 }] }],
  })

  // No wallet is configured here, so nothing is paid back, and the answer says where the money is.
  const closed = await act(gateway, PAID, { challenge, payload: { action: 'close', sessionId, preimage } })
  expect(closed.status).toBe(200)
  expect(JSON.parse(closed.body)).toMatchObject({ status: 'closed', refundSats: 0, refundStatus: 'skipped' })
  expect(parsePaymentReceipt(closed.header('payment-receipt'))).toMatchObject({ refundStatus: 'skipped' })
  expect(upstream.seen).toHaveLength(2)
  const late = await act(gateway, PAID, { challenge, payload: bearer })
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
