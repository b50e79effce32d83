/** The Payment scheme beside L402 (protocol §6), through the real program. */

import {
  decodeJsonObject,
  formatPaymentCredential,
  type JsonObject,
  parsePaymentChallenges,
  parsePaymentReceipt,
} from '@turnpike/l402/payment-scheme'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask } from './client.ts'
import { cleanUp, type Program, pay, start } from './program.ts'
import { closeUpstreams, startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let gateway: Program
beforeAll(async () => {
  upstream = await startUpstream((_req, res) => {
    res.writeHead(200, { 'Cache-Control': 'public, max-age=60' }).end('served')
  })
  gateway = await start({
    upstream: upstream.origin,
    routes: ['{ match: "/paid/*", price: 10 sat, grants: { calls: 3 } }'],
  })
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

const ACCEPT = { 'Accept-Payment': 'lightning/charge' }

it('is offered to whoever asks for it, in a line of its own after L402 (S3)', async () => {
  const plain = await ask(gateway.url, 'GET', '/paid/x')
  expect(plain.all('www-authenticate')).toHaveLength(1)
  const asked = await ask(gateway.url, 'GET', '/paid/x', { headers: ACCEPT })
  const lines = asked.all('www-authenticate')
  expect(lines.map((line) => line.split(' ')[0])).toEqual(['L402', 'Payment'])
})

it('buys what L402 buys, on one invoice, and the upstream sees who paid and no credential', async () => {
  const refused = await ask(gateway.url, 'POST', '/paid/x', { headers: ACCEPT, body: 'hello' })
  const [challenge] = parsePaymentChallenges(refused.all('www-authenticate'))
  if (challenge === undefined) throw new Error('expected a Payment challenge')
  const { methodDetails } = decodeJsonObject(challenge.request) as { methodDetails: JsonObject }
  expect(refused.header('www-authenticate')).toContain(String(methodDetails['invoice']))
  const preimage = await pay(gateway.admin, String(methodDetails['invoice']))
  const { doubtful, ...echo } = challenge
  const line = formatPaymentCredential({ challenge: echo, payload: { preimage } })
  upstream.forget()
  const served = await ask(gateway.url, 'POST', '/paid/x', {
    headers: { Authorization: line },
    body: 'hello',
  })
  expect([served.status, served.body]).toEqual([200, 'served'])
  expect(served.all('cache-control')).toEqual(['private'])
  expect(served.header('ratelimit')).toBe('"calls";r=2')
  expect(parsePaymentReceipt(served.header('payment-receipt'))).toMatchObject({
    reference: methodDetails['paymentHash'],
    challengeId: challenge.id,
  })
  const [seen] = upstream.seen
  expect(seen?.headers['authorization']).toBeUndefined()
  expect(seen?.headers['x-l402-payment-hash']).toBe(methodDetails['paymentHash'])
  expect(seen?.headers['accept-payment']).toBeUndefined()
})
