import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ChargePlan, chargeFor, paidBy, sellsByCharge } from '../../../test/support/charges.ts'
import { challengeOf } from '../../../test/support/seller.ts'
import { type Stage, setStage } from '../../../test/support/stage.ts'
import { encodeHex } from '../../core/bytes.ts'
import { bodyDigest } from '../../core/payment-scheme/digest.ts'
import { encodeJson } from '../../core/payment-scheme/encoding.ts'
import { buyer } from '../buyer.ts'
import { payingFetch } from '../paying-fetch.ts'
import { prepareRequest } from '../prepare.ts'

let stage: Stage
beforeEach(async () => {
  stage = await setStage()
})
afterEach(() => stage.seller[Symbol.asyncDispose]())

/** Which header the requests had a credential of the scheme in. */
const sent = (): (string | undefined)[] =>
  stage.seller.received.map(({ headers }) =>
    ['authorization', 'payment-authorization'].find((name) => /^payment /i.test(String(headers[name] ?? ''))),
  )

describe('a charge', () => {
  it('is paid once, buys one call, and its receipt is read', async () => {
    const { seller, wallet, get, spent, purse } = stage
    seller.behaviour = sellsByCharge()
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'served', reused: false, receipt: { method: 'lightning' } })
    const [paid] = wallet.paid
    const reference = encodeHex(paid?.paymentHash ?? new Uint8Array())
    expect(outcome.kind === 'served' && outcome.receipt).toMatchObject({
      reference,
      challengeId: seller.received[1] && paidBy(seller.received[1])?.challengeId,
    })
    expect(await spent()).toBe(10_003n)
    expect((await purse.payments(1))[0]).toMatchObject({
      state: 'settled',
      served: 'redeemed',
      amountMsat: 10_000n,
    })
    expect(sent()).toEqual([undefined, 'authorization'])
  })

  it('is for one call: the next one is bought, and what is used up is never sent again', async () => {
    const { seller, wallet, get } = stage
    seller.behaviour = sellsByCharge()
    await get()
    expect(await get()).toMatchObject({ kind: 'served', reused: false })
    expect(wallet.paid).toHaveLength(2)
    expect(sent()).toEqual([undefined, 'authorization', undefined, 'authorization'])
  })

  it('comes back as it was sent, whatever else the server wrote in it', async () => {
    const { seller, get } = stage
    const offer = {
      realm: 'x, "y" \\ z',
      description: 'one "call", please',
      opaque: encodeJson({ route: 'a' }),
    }
    seller.behaviour = sellsByCharge({ offer })
    expect(await get()).toMatchObject({ kind: 'served' })
  })

  it.each([
    ['L402 first', (l402: string, payment: string) => [l402, payment]],
    ['Payment first', (l402: string, payment: string) => [payment, l402]],
    ['in one line', (l402: string, payment: string) => `${payment}, ${l402}`],
  ])('is not paid where there is L402 to buy: %s', async (_, order) => {
    const { seller, wallet, get } = stage
    seller.behaviour = ({ paid }, response) => {
      if (paid !== undefined) return response.end('sunny')
      const { header } = challengeOf(seller.secrets)
      const { line } = chargeFor(seller)
      return response.writeHead(402, { 'www-authenticate': order(header, line) }).end()
    }
    expect(await get()).toMatchObject({ kind: 'served' })
    expect(await get()).toMatchObject({ kind: 'served', reused: true })
    expect(wallet.paid).toHaveLength(1)
    expect(sent()).toEqual([undefined, undefined, undefined])
  })

  it('is the second of two Payment challenges, where the first is not over Lightning', async () => {
    const { seller, get } = stage
    const other = 'Payment id="x", realm="r", method="tempo", intent="charge", request="e30"'
    const honest = sellsByCharge()
    seller.behaviour = (received, response, self) => {
      if (paidBy(received)) return honest(received, response, self)
      const { line } = chargeFor(seller)
      return response.writeHead(402, { 'www-authenticate': `${other}, ${line}` }).end()
    }
    expect(await get()).toMatchObject({ kind: 'served' })
  })

  it('stands beside the user’s own Authorization where the server has a header for it', async () => {
    const { seller, get } = stage
    seller.behaviour = sellsByCharge({ offer: { header: 'Payment-Authorization' } })
    const own = { headers: { authorization: 'Bearer mine' } }
    expect(await get('/a', {}, own)).toMatchObject({ kind: 'served' })
    expect(sent()).toEqual([undefined, 'payment-authorization'])
    expect(seller.received.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer mine',
      'Bearer mine',
    ])
    seller.behaviour = sellsByCharge()
    expect(await get('/b', {}, own)).toMatchObject({ kind: 'refused', reason: 'own_authorization' })
  })

  it('is quoted, and paid as it was quoted', async () => {
    const { seller, wallet, purse } = stage
    seller.behaviour = sellsByCharge()
    const fare = buyer({ wallet, purse })
    const request = await prepareRequest(`${seller.origin}/x`)
    const quoted = await fare.quote(request)
    if (quoted.kind !== 'quote') throw new Error(quoted.kind)
    expect(quoted.quote).toMatchObject({ scheme: 'Payment', amountMsat: 10_000n, refusal: null, caveats: [] })
    expect(await fare.payQuote(quoted.quote.id, request)).toMatchObject({ kind: 'served' })
    expect(wallet.paid.map(({ paymentHash }) => encodeHex(paymentHash))).toEqual([quoted.quote.paymentHash])
  })
})

describe('what is not paid', () => {
  const hours = (n: number): string => new Date(Date.now() + n * 3_600_000).toISOString()
  it.each<[string, string, ChargePlan]>([
    ['a smaller amount than the invoice', 'amount_mismatch', { request: { amount: '1' } }],
    ['a larger amount than the invoice', 'amount_mismatch', { request: { amount: '11' } }],
    ['an invoice with a part of a satoshi', 'amount_mismatch', { invoice: { amountMsat: 10_001n } }],
    ['no amount', 'malformed', { request: { amount: undefined } }],
    ['an amount that is a number', 'malformed', { request: { amount: 10 } }],
    ['an amount with a sign', 'malformed', { request: { amount: '+10' } }],
    ['an amount with a unit', 'malformed', { request: { amount: '10 sat' } }],
    ['an invoice without an amount', 'no_amount', { invoice: { amountMsat: null } }],
    ['another currency', 'malformed', { request: { currency: 'usd' } }],
    ['no currency', 'malformed', { request: { currency: undefined } }],
    ['another payment hash', 'hash_mismatch', { details: { paymentHash: '00'.repeat(32) } }],
    ['a payment hash that is no text', 'hash_mismatch', { details: { paymentHash: 1 } }],
    ['another network than the invoice', 'wrong_network', { details: { network: 'mainnet' } }],
    [
      'an invoice of another network',
      'wrong_network',
      { invoice: { network: 'signet' }, details: { network: 'signet' } },
    ],
    ['no invoice', 'malformed', { details: { invoice: undefined } }],
    ['an invoice that is none', 'malformed', { details: { invoice: 'lnbc1' } }],
    ['details that are a list', 'malformed', { request: { methodDetails: [] } }],
    ['a request that is no JSON', 'malformed', { offer: { request: 'AAAA' } }],
    ['an end that has come', 'expired', { offer: { expires: hours(-1) } }],
    ['an end without a date', 'malformed', { offer: { expires: 'soon' } }],
    ['an end in another calendar', 'malformed', { offer: { expires: 'Sat, 28 Nov 2099 00:00:00 GMT' } }],
    [
      'an invoice that has ended before the challenge',
      'expired',
      { invoice: { timestamp: 1_000_000_000 }, offer: { expires: hours(1) } },
    ],
    ['a header that does not exist', 'malformed', { offer: { header: 'X-Pay' } }],
    ['the body of another request', 'malformed', { offer: { digest: bodyDigest(new Uint8Array([1])) } }],
    ['a digest of a kind unknown', 'malformed', { offer: { digest: 'md5=:AAAA:' } }],
    ['a session', 'no_challenge', { offer: { intent: 'session' } }],
    ['another method', 'no_challenge', { offer: { method: 'tempo' } }],
  ])('%s', async (_, reason, plan) => {
    const { seller, wallet, get, spent } = stage
    seller.behaviour = sellsByCharge(plan)
    expect(await get()).toMatchObject({ kind: 'unpayable', reason })
    expect(wallet.paid).toEqual([])
    expect(await spent()).toBe(0n)
    expect(sent()).toEqual([undefined])
  })

  it.each([
    ['a parameter given twice', (line: string) => `${line}, realm="other"`],
    ['a quote that is never closed', (line: string) => line.slice(0, -1)],
  ])('a challenge with %s', async (_, spoilt) => {
    const { seller, wallet, get } = stage
    seller.behaviour = (_, response) =>
      response.writeHead(402, { 'www-authenticate': spoilt(chargeFor(seller).line) }).end()
    expect(await get()).toMatchObject({ kind: 'unpayable', reason: 'malformed' })
    expect(wallet.paid).toEqual([])
  })

  it('anything over plain HTTP to another machine, where the preimage would be everybody’s', async () => {
    const { seller, wallet, get } = stage
    seller.behaviour = sellsByCharge()
    const there: typeof globalThis.fetch = (url, init) =>
      fetch(String(url).replace('http://api.example', seller.origin), init)
    expect(await get('http://api.example/x', { fetch: there })).toMatchObject({
      kind: 'unpayable',
      reason: 'no_challenge',
      detail: expect.stringContaining('plain HTTP'),
    })
    expect(wallet.paid).toEqual([])
  })

  it('more than the budget, whatever the challenge calls itself', async () => {
    const { seller, wallet, get, purse } = stage
    await purse.setBudget({ overall: { requestMsat: 10_000n }, hosts: {} })
    seller.behaviour = sellsByCharge()
    expect(await get()).toMatchObject({ kind: 'refused', reason: 'over_budget' })
    expect(wallet.paid).toEqual([])
  })

  it('is named to the user where it is in another currency of the scheme', async () => {
    const { seller, get } = stage
    seller.behaviour = sellsByCharge({ offer: { method: 'tempo' } })
    expect(await get()).toMatchObject({ detail: expect.stringContaining('tempo/charge') })
  })

  it('comes back from payingFetch as the answer it is', async () => {
    const { seller, wallet, purse } = stage
    seller.behaviour = sellsByCharge({ offer: { method: 'tempo' } })
    const response = await payingFetch({ wallet, purse })(seller.origin)
    expect(response.status).toBe(402)
  })
})

describe('a body', () => {
  it.each([
    ['with the colons of RFC 9530', (digest: string) => digest],
    ['without, as deployed programs write it', (digest: string) => digest.replaceAll(':', '')],
    ['among other algorithms', (digest: string) => `md5=:AAAA:, ${digest}`],
  ])('that the challenge is bound to is sent again: digest %s', async (_, form) => {
    const { seller, get } = stage
    const body = '{"city":"Bern"}'
    seller.behaviour = sellsByCharge({ offer: { digest: form(bodyDigest(new TextEncoder().encode(body))) } })
    expect(await get('/q', {}, { method: 'POST', body })).toMatchObject({ kind: 'served' })
    expect(seller.received.map((one) => one.body)).toEqual([body, body])
  })
})

describe('what goes wrong after paying', () => {
  it('a server that asks again is not paid again, and gets the same credential next time (C8)', async () => {
    const { seller, wallet, get } = stage
    seller.behaviour = (_, response) =>
      response.writeHead(402, { 'www-authenticate': chargeFor(seller).line }).end()
    expect(await get()).toMatchObject({ kind: 'not_served' })
    expect(await get()).toMatchObject({ kind: 'not_served' })
    expect(wallet.paid).toHaveLength(1)
    expect(sent()).toEqual([undefined, 'authorization', 'authorization'])
    const [, first, second] = seller.received
    expect(second?.headers.authorization).toBe(first?.headers.authorization)
  })

  it('a server that breaks is no reason to pay again: the charge is presented until it is served', async () => {
    const { seller, wallet, get } = stage
    let broken = true
    const honest = sellsByCharge()
    seller.behaviour = (received, response, self) =>
      broken && paidBy(received) ? response.writeHead(500).end() : honest(received, response, self)
    expect(await get()).toMatchObject({ kind: 'not_served' })
    broken = false
    expect(await get()).toMatchObject({ kind: 'served', reused: true })
    expect(wallet.paid).toHaveLength(1)
  })

  it('a payment whose end is unknown is looked up, and the same charge presented', async () => {
    const { seller, wallet, get } = stage
    seller.behaviour = sellsByCharge()
    wallet.onPay = () => ({ status: 'unknown', detail: 'time-out' })
    expect(await get()).toMatchObject({ kind: 'payment_unknown' })
    wallet.onLookup = (hash) => ({
      status: 'paid',
      preimage: seller.secrets.get(hash) as Uint8Array,
      feeMsat: 0n,
    })
    expect(await get()).toMatchObject({ kind: 'served', purchases: [{ resumed: true }] })
    expect(wallet.paid).toHaveLength(1)
  })

  it('a payment that the wallet never got is sent again as it stands, for the same charge (C3)', async () => {
    const { seller, wallet, get, spent } = stage
    seller.behaviour = sellsByCharge()
    const honest = wallet.onPay
    wallet.onPay = () => ({ status: 'unknown', detail: 'time-out' })
    await get()
    wallet.onPay = honest
    wallet.onLookup = () => ({ status: 'not_found' })
    expect(await get()).toMatchObject({ kind: 'served' })
    expect(new Set(wallet.paid.map(({ invoice }) => invoice)).size).toBe(1)
    expect(await spent()).toBe(10_003n)
  })

  it('a payment that recovery finds paid is presented by the next run; one found failed is bought anew', async () => {
    const { seller, wallet, purse, get } = stage
    seller.behaviour = sellsByCharge()
    const honest = wallet.onPay
    wallet.onPay = () => ({ status: 'unknown', detail: 'time-out' })
    await get('/paid')
    await get('/failed')
    const paid = encodeHex(wallet.paid[0]?.paymentHash ?? new Uint8Array())
    wallet.onLookup = (hash) =>
      hash === paid
        ? { status: 'paid', preimage: seller.secrets.get(hash) as Uint8Array, feeMsat: 0n }
        : { status: 'failed', detail: 'no route' }
    const found = await buyer({ wallet, purse }).recover()
    expect(found.map(({ state }) => state)).toEqual(['settled', 'failed'])
    wallet.onPay = honest
    expect(await get('/paid')).toMatchObject({ kind: 'served', reused: true, receipt: { reference: paid } })
    expect(wallet.paid).toHaveLength(2)
    expect(await get('/failed')).toMatchObject({ kind: 'served', reused: false })
    expect(wallet.paid).toHaveLength(3)
  })

  it('a payment without its proof is neither presented nor paid again, until the wallet tells it (C4)', async () => {
    const { seller, wallet, get } = stage
    seller.behaviour = sellsByCharge()
    wallet.onPay = () => ({ status: 'paid_unproven', feeMsat: 0n })
    expect(await get()).toMatchObject({ kind: 'paid_unproven' })
    wallet.onLookup = () => ({ status: 'paid_unproven', feeMsat: 0n })
    expect(await get()).toMatchObject({ kind: 'paid_unproven' })
    expect(sent()).toEqual([undefined, undefined])
    wallet.onLookup = (hash) => ({
      status: 'paid',
      preimage: seller.secrets.get(hash) as Uint8Array,
      feeMsat: 0n,
    })
    expect(await get()).toMatchObject({ kind: 'served' })
    expect(wallet.paid).toHaveLength(1)
  })

  it('a receipt for another payment is none', async () => {
    const { seller, get } = stage
    const receipt = encodeJson({
      method: 'lightning',
      reference: '00'.repeat(32),
      status: 'success',
      timestamp: 'x',
    })
    seller.behaviour = sellsByCharge({}, (response) =>
      response.setHeader('payment-receipt', receipt).end('sunny'),
    )
    expect(await get()).toMatchObject({ kind: 'served', receipt: null })
  })

  it('no credential goes to another origin, nor along a redirect there (C7)', async () => {
    const { seller, wallet, get } = stage
    const elsewhere = await setStage()
    elsewhere.seller.behaviour = (_, response) => response.end('theirs')
    seller.behaviour = (received, response, self) =>
      paidBy(received)
        ? response.writeHead(307, { location: `${elsewhere.seller.origin}/theft` }).end()
        : sellsByCharge()(received, response, self)
    expect(await get()).toMatchObject({ kind: 'served' })
    expect(wallet.paid).toHaveLength(1)
    const [there] = elsewhere.seller.received
    expect(there?.headers.authorization).toBeUndefined()
    await elsewhere.seller[Symbol.asyncDispose]()
  })
})
