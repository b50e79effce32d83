// `node mppx-server.mjs INVOICES [header]`: a seller of single calls made of mppx, with the lightning method of the draft in its own
// words. INVOICES takes `{"amountMsat"}` and answers `{"invoice","paymentHash"}`. Prints its URL.
import { createServer } from 'node:http'
import { Mppx, NodeListener } from 'mppx/server'
import { chargeBy, secretKey } from './mppx-charge.mjs'

const [invoices, header] = process.argv.slice(2)

const mppx = Mppx.create({
  methods: [chargeBy(invoices)],
  realm: 'forecasts',
  secretKey,
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
