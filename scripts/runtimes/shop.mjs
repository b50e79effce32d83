// A server behind the fetch adapter for runtimes that serve `fetch` handlers themselves, and what its buyer does to it over
// a real socket. Books and Lightning are the server's, in memory; `/pay` is the buyer's wallet.
import { decodeInvoice, encodeHex, findL402Challenges } from '@turnpike/l402'
import { l402 } from '@turnpike/l402/fetch'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'

/** The server's handler. Runtimes have no randomness before a request comes in, so the shop opens with the first. */
export function openShop() {
  let shop
  return (request) => {
    shop ??= shopHandler()
    return shop(request)
  }
}

function shopHandler() {
  const lightning = memoryLightning()
  const toll = l402({
    lightning,
    store: memoryStore(),
    keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
    services: { weather: {} },
  })
  const calls = { price: '10 sat', grants: { calls: 2 } }
  const forecast = toll({ name: 'GET /forecast', ...calls }, (_request, paid) =>
    Response.json({ left: paid.left.calls }),
  )
  const order = toll({ name: 'POST /order', ...calls }, async (request) => new Response(await request.text()))
  const stream = toll({ name: 'GET /stream', ...calls }, () => {
    const pieces = ['one ', 'two']
    const body = new ReadableStream({
      pull(controller) {
        const piece = pieces.shift()
        if (piece === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(piece))
      },
    })
    return new Response(body)
  })
  const routes = { '/forecast': forecast, '/order': order, '/stream': stream }
  return async (request) => {
    const { pathname } = new URL(request.url)
    if (pathname !== '/pay') return routes[pathname]?.(request) ?? new Response('none', { status: 404 })
    const invoice = await request.text()
    const { paymentHash, amountMsat } = decodeInvoice(invoice)
    const paid = await lightning.pay({ invoice, paymentHash, amountMsat, maxFeeMsat: 0n, timeoutMs: 1000 })
    return new Response(encodeHex(paid.preimage))
  }
}

/** Buys from the shop at `origin` with a plain `fetch`. Answers what was wrong; empty where all is well. */
export async function buyFrom(fetch, origin) {
  const wrong = []
  const check = (what, got, expected) => {
    if (got !== expected) wrong.push(`${what}: expected ${expected}, got ${got}`)
  }
  for (const [method, path, body, answer] of [
    ['GET', '/forecast', undefined, '{"left":1}'],
    ['POST', '/order', 'tea', 'tea'],
    ['GET', '/stream', undefined, 'one two'],
  ]) {
    const send = async (headers = {}) => {
      const response = await fetch(origin + path, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      })
      return { status: response.status, headers: response.headers, text: await response.text() }
    }
    const unpaid = await send()
    check(`${path} unpaid`, unpaid.status, 402)
    const [challenge] = findL402Challenges([unpaid.headers.get('www-authenticate') ?? ''])
    const preimage = await fetch(`${origin}/pay`, { method: 'POST', body: challenge?.invoice ?? '' })
    const authorization = `L402 ${challenge?.macaroon}:${await preimage.text()}`
    const first = await send({ authorization })
    check(`${path} paid`, `${first.status} ${first.text}`, `200 ${answer}`)
    check(`${path} RateLimit`, first.headers.get('ratelimit'), '"calls";r=1')
    check(`${path} again`, (await send({ authorization })).status, 200)
    check(`${path} used up`, (await send({ authorization })).status, 402)
  }
  check('another path', (await fetch(`${origin}/forecast%2Fx`)).status, 404)
  return wrong
}
