// A client of sessions made of mppx, which has no Lightning inside: the method of draft-lightning-session-00, in its own words.
// `node mppx-session.mjs BASE PAY RETURN_INVOICE`: opens a session, reads 12 events, topping up when it is asked to, reads 3
// more on the same session, and closes it. PAY takes `{"invoice"}` and answers `{"preimage"}`. Prints what it heard.
import { Credential, Method } from 'mppx'
import { Mppx } from 'mppx/client'
import { z } from 'zod/mini'

const [base, payUrl, returnInvoice] = process.argv.slice(2)
const text = z.optional(z.string())

const method = Method.from({
  name: 'lightning',
  intent: 'session',
  schema: {
    credential: {
      payload: z.object({
        action: z.string(),
        preimage: text,
        returnInvoice: text,
        sessionId: text,
        topUpPreimage: text,
      }),
    },
    request: z.object({
      amount: z.string(),
      currency: z.string(),
      depositInvoice: z.string(),
      paymentHash: z.string(),
      depositAmount: text,
    }),
  },
})

async function pay(invoice) {
  const response = await fetch(payUrl, { method: 'POST', body: JSON.stringify({ invoice }) })
  return (await response.json()).preimage
}

let next = 'open'
let session
const payloads = {
  async open({ depositInvoice, paymentHash }) {
    session = { sessionId: paymentHash, preimage: await pay(depositInvoice) }
    return { preimage: session.preimage, returnInvoice }
  },
  topUp: async ({ depositInvoice }) => ({
    sessionId: session.sessionId,
    topUpPreimage: await pay(depositInvoice),
  }),
  bearer: async () => session,
  close: async () => session,
}
const client = Method.toClient(method, {
  async createCredential({ challenge }) {
    const payload = { action: next, ...(await payloads[next](challenge.request)) }
    return Credential.serialize({ challenge, payload })
  },
})
const mppx = Mppx.create({ methods: [client], polyfill: false })

function act(action, path) {
  next = action
  return mppx.fetch(base + path)
}

/** Reads a stream to its end; pays more whenever it waits. */
async function read(response, path) {
  const heard = { status: response.status, events: 0, topUps: [], receipt: null, done: false }
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk, { stream: true })
    const events = rest.split('\n\n')
    rest = events.pop()
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1]
      const data = /^data: (.*)$/m.exec(event)?.[1]
      if (name === 'payment-need-topup') heard.topUps.push([JSON.parse(data), await topUp(path)])
      else if (name === 'payment-receipt') heard.receipt = JSON.parse(data)
      else if (name !== undefined) throw new Error(`unexpected event: ${name}`)
      else if (data === '[DONE]') heard.done = true
      else if (data !== undefined) heard.events++
    }
  }
  return heard
}

async function topUp(path) {
  const response = await act('topUp', path)
  return response.json()
}

const first = await read(await act('open', '/events/12'), '/events/12')
const second = await read(await act('bearer', '/events/3'), '/events/3')
const closed = await (await act('close', '/events/3')).json()
console.log(JSON.stringify({ first, second, closed, sessionId: session.sessionId }))
