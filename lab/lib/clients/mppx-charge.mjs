// The lightning method of the draft in the words of mppx, for sellers. INVOICES takes `{"amountMsat"}` and answers
// `{"invoice","paymentHash"}`.
import { createHash } from 'node:crypto'
import { Errors, Method, Receipt } from 'mppx'
import { z } from 'zod/mini'

export function chargeBy(invoices) {
  const used = new Set()
  return Method.toServer(
    Method.from({
      name: 'lightning',
      intent: 'charge',
      schema: {
        credential: { payload: z.object({ preimage: z.string() }) },
        request: z.object({
          amount: z.string(),
          currency: z.string(),
          // Not there before there is an invoice.
          methodDetails: z.optional(
            z.object({ invoice: z.string(), paymentHash: z.string(), network: z.string() }),
          ),
        }),
      },
    }),
    {
      defaults: { currency: 'sat' },
      // One invoice for each challenge; what came back is what was challenged.
      async request({ credential, request }) {
        if (credential) return credential.challenge.request
        const body = JSON.stringify({ amountMsat: String(BigInt(request.amount) * 1000n) })
        const { invoice, paymentHash } = await (await fetch(invoices, { method: 'POST', body })).json()
        return { ...request, methodDetails: { invoice, paymentHash, network: 'regtest' } }
      },
      stableBinding: ({ amount, currency }) => ({ amount, currency }),
      async verify({ credential }) {
        const { paymentHash } = credential.challenge.request.methodDetails
        const hash = createHash('sha256')
          .update(Buffer.from(credential.payload.preimage, 'hex'))
          .digest('hex')
        if (hash !== paymentHash) throw new Errors.VerificationFailedError({ reason: 'another preimage' })
        if (used.has(paymentHash)) throw new Errors.VerificationFailedError({ reason: 'used' })
        used.add(paymentHash)
        return Receipt.from({
          method: 'lightning',
          reference: paymentHash,
          status: 'success',
          timestamp: new Date().toISOString(),
        })
      },
    },
  )
}

export const secretKey = 'a secret of play money, thirty-two bytes and more'
