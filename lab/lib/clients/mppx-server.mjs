// `node mppx-server.mjs INVOICES [header]`: a seller of single calls made of mppx, with the lightning method of the draft in its own
// words. INVOICES takes `{"amountMsat"}` and answers `{"invoice","paymentHash"}`. Prints its URL.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { Errors, Method, Receipt } from 'mppx'
import { Mppx, NodeListener } from 'mppx/server'
import { z } from 'zod/mini'

const [invoices, header] = process.argv.slice(2)

const method = Method.toServer(
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
      const hash = createHash('sha256').update(Buffer.from(credential.payload.preimage, 'hex')).digest('hex')
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
const used = new Set()
const mppx = Mppx.create({
  methods: [method],
  realm: 'forecasts',
  secretKey: 'a secret of play money, thirty-two bytes and more',
  ...(header === undefined ? {} : { requiresAuth: true }),
})

const server = createServer(async (req, res) => {
  const url = `http://${req.headers.host}${req.url}`
  const asked = new Request(url, { method: req.method, headers: req.headers })
  const charged = await mppx.charge({ amount: '10', description: 'one forecast, "hourly"' })(asked)
  const answer =
    charged.status === 402
      ? charged.challenge
      : charged.withReceipt(Response.json({ sky: 'cloudy', own: req.headers.authorization ?? null }))
  await NodeListener.sendResponse(res, answer)
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
