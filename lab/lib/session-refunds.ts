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
import { cleanUp, folderWith, serve } from '../../packages/gateway/test/e2e/program.ts'
import { bakePayMacaroon, type LabNetwork } from './lightning.ts'

/** One purchase from deposit to refund; the seller's node pays what is left to an invoice of the buyer's. */
export function itPaysBack(network: () => LabNetwork, folder: string): void {
  it('pays back what is left of a session, once, to an invoice without an amount', async () => {
    const { seller, buyer } = network().nodes
    const payMacaroon = await bakePayMacaroon(seller, folder)
    const node = (macaroonFile: string): string =>
      `{ backend: lnd, url: "${seller.rest}", macaroonFile: "${macaroonFile}", tlsCertFile: "${seller.tls}" }`
    const gateway = await serve(
      folderWith(
        [
          'listen: 127.0.0.1:0',
          'admin: { listen: 127.0.0.1:0 }',
          'store: memory',
          `lightning: ${node(seller.invoiceMacaroon)}`,
          `sessions: { refunds: ${node(payMacaroon)} }`,
          'services: { shop: { upstream: sample, routes: [{ match: "/*", price: 1000 sat, grants: { calls: 10 } }] } }',
        ].join('\n'),
      ),
    )
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
      const act = (of: PaymentChallenge, payload: JsonObject): Promise<Response> =>
        ask({ authorization: formatPaymentCredential({ challenge: of, payload }) })
      const proof = { sessionId: String(paymentHash), preimage: hexOf(preimage) }
      const opened = await act(challenge, {
        action: 'open',
        preimage: proof.preimage,
        returnInvoice: String(returnInvoice),
      })
      expect(opened.status).toBe(200)
      expect((await act(challenge, { action: 'bearer', ...proof })).status).toBe(200)
      for (let i = 0; i < 2; i++) {
        const closed = await act(challenge, { action: 'close', ...proof })
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
      expect((await act(challenge, { action: 'bearer', ...proof })).status).toBe(402)
      expect(gateway.output()).not.toContain(proof.preimage)
    } finally {
      await cleanUp()
    }
  })
}

/** The lab's word for a preimage may be hex or base64. */
function hexOf(preimage: string): string {
  return /^[0-9a-f]{64}$/.test(preimage)
    ? preimage
    : encodeHex(Uint8Array.from(Buffer.from(preimage, 'base64')))
}
