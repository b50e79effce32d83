/** A session of the Payment scheme whose rest is paid back, by the real gateway on real lnd nodes. */

import { encodeHex } from '@turnpike/l402'
import {
  decodeJsonObject,
  formatPaymentCredential,
  type JsonObject,
  type PaymentChallenge,
  parsePaymentChallenges,
  parsePaymentReceipt,
} from '@turnpike/l402/payment-scheme'
import { expect, it } from 'vitest'
import { cleanUp, folderWith, type Program, serve } from '../../packages/gateway/test/e2e/program.ts'
import { act, offer } from '../../packages/gateway/test/e2e/session-client.ts'
import { closeUpstreams, startUpstream } from '../../packages/gateway/test/e2e/upstream.ts'
import { bakePayMacaroon, type LabNetwork } from './lightning.ts'

/** Two purchases from deposit to refund; the seller's node pays what is left to an invoice of the buyer's. */
export function itPaysBack(network: () => LabNetwork, folder: string): void {
  itPaysBackCalls(network, folder)
  itPaysBackAfterStream(network, folder)
}

function itPaysBackCalls(network: () => LabNetwork, folder: string): void {
  it('pays back what is left of a session, once, to an invoice without an amount', async () => {
    const { buyer } = network().nodes
    const gateway = await shop(network(), folder, {
      upstream: 'sample',
      route: '{ match: "/*", price: 1000 sat, grants: { calls: 10 } }',
    })
    try {
      const ask = (headers: Record<string, string>): Promise<Response> =>
        fetch(`${gateway.url}/forecast/oslo`, { headers })
      const refused = await ask({ 'accept-payment': 'lightning/session' })
      const [found] = parsePaymentChallenges([refused.headers.get('www-authenticate') ?? ''])
      if (found === undefined) throw new Error('expected a session to be offered')
      const { doubtful, ...challenge } = found
      const { depositInvoice, paymentHash } = decodeJsonObject(challenge.request) ?? {}
      const { preimage } = await network().pay('buyer', String(depositInvoice))
      const { payment_request: returnInvoice, r_hash: back } = await buyer.call('POST', '/v1/invoices', {
        memo: 'what is left',
        expiry: '86400',
      })
      const order = (of: PaymentChallenge, payload: JsonObject): Promise<Response> =>
        ask({ authorization: formatPaymentCredential({ challenge: of, payload }) })
      const proof = { sessionId: String(paymentHash), preimage: hexOf(preimage) }
      const opened = await order(challenge, {
        action: 'open',
        preimage: proof.preimage,
        returnInvoice: String(returnInvoice),
      })
      expect(opened.status).toBe(200)
      expect((await order(challenge, { action: 'bearer', ...proof })).status).toBe(200)
      for (let i = 0; i < 2; i++) {
        const closed = await order(challenge, { action: 'close', ...proof })
        expect(await closed.json()).toEqual({ status: 'closed', refundSats: 800, refundStatus: 'succeeded' })
        expect(parsePaymentReceipt(closed.headers.get('payment-receipt') ?? '')).toMatchObject({
          reference: paymentHash,
          refundSats: 800,
        })
      }
      const hash = Buffer.from(String(back), 'base64').toString('hex')
      expect(await buyer.call('GET', `/v1/invoice/${hash}`)).toMatchObject({
        state: 'SETTLED',
        amt_paid_sat: '800',
      })
      expect((await order(challenge, { action: 'bearer', ...proof })).status).toBe(402)
      expect(gateway.output()).not.toContain(proof.preimage)
    } finally {
      await cleanUp()
    }
  })
}

/** A gateway on the seller's node, which pays refunds from there, too. */
async function shop(
  network: LabNetwork,
  folder: string,
  { upstream, route }: { readonly upstream: string; readonly route: string },
): Promise<Program> {
  const { seller } = network.nodes
  const payMacaroon = await bakePayMacaroon(seller, folder)
  const node = (macaroonFile: string): string =>
    `{ backend: lnd, url: "${seller.rest}", macaroonFile: "${macaroonFile}", tlsCertFile: "${seller.tls}" }`
  return serve(
    folderWith(
      [
        'listen: 127.0.0.1:0',
        'admin: { listen: 127.0.0.1:0 }',
        'store: memory',
        `lightning: ${node(seller.invoiceMacaroon)}`,
        `sessions: { refunds: ${node(payMacaroon)} }`,
        `services: { shop: { upstream: "${upstream}", routes: [${route}] } }`,
      ].join('\n'),
    ),
  )
}

function itPaysBackAfterStream(network: () => LabNetwork, folder: string): void {
  it('pays back what a stream has left of a session that was topped up while it waited', async () => {
    const { buyer } = network().nodes
    const upstream = await startUpstream((_, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      for (let n = 1; n <= 5; n++) res.write(`data: ${n}\n\n`)
      res.end('data: [DONE]\n\n')
    })
    const gateway = await shop(network(), folder, {
      upstream: upstream.origin,
      route:
        '{ match: "/events", price: 1000 sat, grants: { credit: 1000 sat }, charge: { events: 300 sat, estimate: 300 sat } }',
    })
    const asked = { path: '/events' }
    const paid = async () => {
      const challenge = await offer(gateway, asked)
      const { depositInvoice, paymentHash } = decodeJsonObject(challenge.request) ?? {}
      const { preimage } = await network().pay('buyer', String(depositInvoice))
      return { challenge, preimage: hexOf(preimage), sessionId: String(paymentHash) }
    }
    try {
      const { challenge, preimage, sessionId } = await paid()
      const { payment_request: returnInvoice, r_hash: back } = await buyer.call('POST', '/v1/invoices', {
        memo: 'what is left',
        expiry: '86400',
      })
      const open = { action: 'open', preimage, returnInvoice: String(returnInvoice) }
      const streaming = act(gateway, asked, { challenge, payload: open })
      await expect.poll(() => upstream.seen.length).toBe(1)
      // Three events are paid, the fourth is not.
      const more = await paid()
      const topUp = { action: 'topUp', sessionId, topUpPreimage: more.preimage }
      expect((await act(gateway, asked, { challenge: more.challenge, payload: topUp })).status).toBe(200)
      const { body } = await streaming
      expect(body.match(/^data: \d$/gm)).toHaveLength(5)
      expect(body).toContain(`{"sessionId":"${sessionId}","balanceSpent":900,"balanceRequired":300}`)
      expect(body).toMatch(/event: payment-receipt\ndata: .*"spent":1500,"units":5\}\n\ndata: \[DONE\]\n\n$/)

      const closed = await act(gateway, asked, {
        challenge,
        payload: { action: 'close', sessionId, preimage },
      })
      expect(JSON.parse(closed.body)).toEqual({
        status: 'closed',
        refundSats: 500,
        refundStatus: 'succeeded',
      })
      const hash = Buffer.from(String(back), 'base64').toString('hex')
      expect(await buyer.call('GET', `/v1/invoice/${hash}`)).toMatchObject({
        state: 'SETTLED',
        amt_paid_sat: '500',
      })
    } finally {
      await cleanUp()
      await closeUpstreams()
    }
  })
}

/** The lab's word for a preimage may be hex or base64. */
function hexOf(preimage: string): string {
  return /^[0-9a-f]{64}$/.test(preimage)
    ? preimage
    : encodeHex(Uint8Array.from(Buffer.from(preimage, 'base64')))
}
