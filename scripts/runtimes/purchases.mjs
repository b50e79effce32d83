// A seller's paywall and a buyer's payingFetch against each other, in memory: no socket, no clock but the runtime's.
import {
  attenuateMacaroon,
  decodeBase64,
  decodeInvoice,
  decodeMacaroon,
  encodeBase64,
  encodeMacaroon,
  findL402Challenges,
  formatCredential,
} from '@turnpike/l402'
import { payingFetch } from '@turnpike/l402/client'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { paywall } from '@turnpike/l402/server'
import { memoryStore } from '@turnpike/l402/store/memory'

const SHOP = 'https://shop.example'

/** A shop that sells passes for `/pass/*` and two calls for `/calls`. */
function openShop() {
  const lightning = memoryLightning()
  const gate = paywall({
    lightning,
    store: memoryStore(),
    keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
    services: {
      weather: {
        routes: [
          { match: 'GET /free', free: true },
          { match: 'GET /pass/*', price: '10 sat', grants: { valid: '1h' } },
          { match: 'POST /calls', price: '20 sat', grants: { calls: 2 } },
        ],
      },
    },
  })
  return {
    lightning,
    /** `fetch` at the shop: paywall, then the resource, which says what it was sent. */
    async visit(url, init) {
      const request = new Request(url, init)
      const result = await gate(request)
      if (result.outcome === 'refuse') return result.response
      return result.serve(async () => new Response(`served ${await request.text()}`))
    },
  }
}

/**
 * The cases by name. `purses`: stores by name; each makes a new one and answers how to open it, any number of times.
 */
export function purchases(equal, purses) {
  const kept = Object.entries(purses).map(([name, store]) => [
    `payingFetch with the ${name} purse: two buyers at once buy once, within the budget, and the books are kept`,
    () => keepsBooks(equal, store),
  ])
  return {
    ...Object.fromEntries(kept),
    'the paywall: free, 402, paid, reused, narrowed, exhausted': async () => {
      const { lightning, visit } = openShop()
      const status = async (path, init) => (await visit(SHOP + path, init)).status
      equal(await status('/free'), 200, 'a free path')
      equal(await status('/nowhere'), 404, 'a path nobody sells')
      const unpaid = await visit(`${SHOP}/calls`, { method: 'POST' })
      equal(unpaid.status, 402, 'unpaid')
      const [challenge] = findL402Challenges([unpaid.headers.get('www-authenticate') ?? ''])
      equal((await unpaid.json()).code, 'missing', 'the reason')
      const { invoice, macaroon } = challenge
      const { paymentHash, amountMsat } = decodeInvoice(invoice)
      equal(amountMsat, 20_000n, 'the price')
      const paid = await lightning.pay({ invoice, paymentHash, amountMsat, maxFeeMsat: 0n, timeoutMs: 1000 })
      equal(paid.status, 'paid', 'the payment')
      const call = (text, path = '/calls') =>
        status(path, { method: 'POST', headers: { authorization: formatCredential(text, paid.preimage) } })
      const narrow = attenuateMacaroon(decodeMacaroon(decodeBase64(macaroon)), ['weather_max_calls=1'])
      const narrowText = encodeBase64(encodeMacaroon(narrow))
      equal(await call(narrowText), 200, 'the narrow copy')
      equal(await call(narrowText), 402, 'the narrow copy, used up')
      equal(await call(macaroon), 200, 'the second call')
      equal(await call(macaroon), 402, 'the third call')
    },
    'payingFetch: buys once, reuses, buys again when used up': async () => {
      const { lightning, visit } = openShop()
      const purse = memoryPurse()
      const fetch = payingFetch({ wallet: lightning, purse, fetch: visit })
      const call = async (body) => {
        const response = await fetch(`${SHOP}/calls`, { method: 'POST', body })
        return `${response.status} ${await response.text()}`
      }
      const spent = async () => (await lightning.sellerBalanceMsat()).toString()
      equal(await (await fetch(`${SHOP}/free`)).text(), 'served ', 'a free path')
      equal(await spent(), '0', 'spent for nothing')
      equal(await call('one'), '200 served one', 'the first call')
      equal(await call('two'), '200 served two', 'the second call')
      equal(await spent(), '20000', 'spent for two calls')
      equal(await call('three'), '200 served three', 'the third call')
      equal(await spent(), '40000', 'spent for three calls')
      equal((await fetch(`${SHOP}/pass/paris`)).status, 200, 'the pass')
      equal((await fetch(`${SHOP}/pass/paris`)).status, 200, 'the pass again')
      equal(await spent(), '50000', 'spent at last')
      equal((await purse.credentials(SHOP)).length, 3, 'credentials in the purse')
    },
  }
}

/** Two openings of one store, as of two processes, tabs or isolates. */
async function keepsBooks(equal, store) {
  const { lightning, visit } = openShop()
  const open = await store()
  const purses = [await open(), await open()]
  const [one, two] = purses.map((purse) => payingFetch({ wallet: lightning, purse, fetch: visit }))
  const spent = async () => (await lightning.sellerBalanceMsat()).toString()
  const answers = await Promise.all([one, two, one, two].map((fetch) => fetch(`${SHOP}/pass/paris`)))
  equal(answers.map(({ status }) => status).join(), '200,200,200,200', 'four at once')
  equal(await spent(), '10000', 'spent for one pass')
  await purses[0].setBudget({ overall: { totalMsat: 20_000n }, hosts: {} })
  const refused = await two(`${SHOP}/calls`, { method: 'POST', body: 'x' }).catch((error) => error)
  equal(refused.code, 'payment_refused', 'beyond the budget')
  const intent = (n) => ({
    ...{
      paymentHash: new Uint8Array(32).fill(n),
      origin: SHOP,
      host: 'shop.example',
      method: 'GET',
      url: SHOP,
    },
    ...{
      bodyDigest: null,
      scope: 's',
      macaroon: 'm',
      invoice: 'i',
      amountMsat: 4_000n,
      maxFeeMsat: 0n,
      payee: '',
    },
    ...{ task: '', createdAtMs: Date.now(), expiresAt: 0, wallet: '' },
  })
  const limits = await purses[1].budget()
  const held = await Promise.all([1, 2, 3, 4].map((n) => purses[n % 2].reserve(intent(n), limits)))
  equal(held.filter(({ ok }) => ok).length, 2, 'reserved at once')
  const later = await open()
  equal((await later.payments(9)).length, 3, 'payments on the books')
  equal((await later.credentials(SHOP)).length, 1, 'credentials in the purse')
  const unpaid = payingFetch({ wallet: lightning, purse: later, fetch: visit, noPay: true })
  equal((await unpaid(`${SHOP}/pass/paris`)).status, 200, 'the pass, later')
  for (const purse of [...purses, later]) await purse.close()
}
