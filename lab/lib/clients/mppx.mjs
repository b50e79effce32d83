// mppx, which has no Lightning inside: the method of the draft, in its own words.
import { Credential, Method } from 'mppx'
import { Mppx } from 'mppx/client'
import { z } from 'zod/mini'

const charge = Method.from({
  name: 'lightning',
  intent: 'charge',
  schema: {
    credential: { payload: z.object({ preimage: z.string() }) },
    request: z.object({
      amount: z.string(),
      currency: z.string(),
      methodDetails: z.object({
        invoice: z.string(),
        paymentHash: z.optional(z.string()),
        network: z.optional(z.string()),
      }),
    }),
  },
})

export async function buy(url, pay) {
  const method = Method.toClient(charge, {
    async createCredential({ challenge }) {
      const preimage = await pay(challenge.request.methodDetails.invoice)
      return Credential.serialize({ challenge, payload: { preimage } })
    },
  })
  const mppx = Mppx.create({ methods: [method], polyfill: false })
  return mppx.fetch(url)
}
