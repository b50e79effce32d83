import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  challengeOf,
  type Seller,
  startSeller,
  type TestWallet,
  testWallet,
} from '../../test/support/seller.ts'
import { decodeHex, encodeHex } from '../core/bytes.ts'
import { findL402Challenges } from '../core/challenge.ts'
import { L402Error } from '../core/errors.ts'
import type { PurseStore } from '../stores/purse.ts'
import { intentOf } from '../stores/purse-contract.test-suite.ts'
import { memoryPurse } from '../stores/purse-memory/index.ts'
import { buyer } from './buyer.ts'
import { prepareRequest } from './prepare.ts'
import type { BuyerOptions, FetchOutcome, PurchaseEvent } from './types.ts'

let seller: Seller
let wallet: TestWallet
let purse: PurseStore
let events: PurchaseEvent[]

beforeEach(async () => {
  seller = await startSeller()
  wallet = testWallet(seller.secrets)
  purse = memoryPurse()
  events = []
})
afterEach(() => seller[Symbol.asyncDispose]())

const get = async (
  path = '/forecast',
  options: Partial<BuyerOptions> = {},
  init: RequestInit = {},
): Promise<FetchOutcome> => {
  const fare = buyer({ wallet, purse, onEvent: (event) => events.push(event), ...options })
  return await fare.fetch(await prepareRequest(new URL(path, seller.origin), init))
}
const types = (): string[] => events.map((event) => event.type)
const spent = async (): Promise<bigint> => (await purse.spent()).totalMsat
const credentialsSent = (): boolean[] => seller.received.map((one) => one.headers.authorization !== undefined)

describe('a purchase', () => {
  it('pays once, gets the resource, and pays nothing the second time', async () => {
    const first = await get()
    expect(first).toMatchObject({ kind: 'served', reused: false })
    expect(first.purchases).toEqual([
      expect.objectContaining({ amountMsat: 10_000n, feeMsat: 3n, resumed: false, origin: seller.origin }),
    ])
    expect(first.kind === 'served' && (await first.response.text())).toBe('sunny')
    const second = await get()
    expect(second).toMatchObject({ kind: 'served', reused: true, purchases: [] })
    expect(wallet.paid).toHaveLength(1)
    expect(await spent()).toBe(10_003n)
    expect(credentialsSent()).toEqual([false, true, true])
  })

  it('tells what happens, in order', async () => {
    await get()
    expect(types()).toEqual([
      'request',
      'response',
      'challenge',
      'waiting',
      'reserved',
      'paying',
      'paid',
      'request',
      'response',
      'served',
    ])
  })

  it('has the intent on the books before the wallet is asked (C3)', async () => {
    let atPayTime: string | undefined
    wallet.onPay = async ({ paymentHash }) => {
      atPayTime = (await purse.payment(paymentHash))?.state
      return {
        status: 'paid',
        preimage: seller.secrets.get(encodeHex(paymentHash)) as Uint8Array,
        feeMsat: 0n,
      }
    }
    await get()
    expect(atPayTime).toBe('in_flight')
  })

  it('asks no wallet before a payment is needed and allowed', async () => {
    let asked = 0
    const lazy = async () => {
      asked++
      return wallet
    }
    seller.behaviour = (_, response) => response.end('free')
    expect(await get('/', { wallet: lazy })).toMatchObject({ kind: 'served', purchases: [] })
    seller.behaviour = () => undefined
    expect(await get('/', { wallet: lazy, noPay: true })).toMatchObject({ kind: 'refused', reason: 'no_pay' })
    expect(await get('/', { wallet: lazy, maxMsat: 5n })).toMatchObject({ reason: 'over_max' })
    await purse.setBudget({ overall: { hourMsat: 5n }, hosts: {} })
    expect(await get('/', { wallet: lazy })).toMatchObject({ reason: 'over_budget' })
    expect(asked).toBe(0)
  })

  it('says that the wallet cannot be reached, and nothing is held', async () => {
    const unreachable = new L402Error('lightning_unavailable', 'no node at this address')
    const outcome = await get('/', { wallet: () => Promise.reject(unreachable) })
    expect(outcome).toMatchObject({ kind: 'wallet_unreachable', detail: 'no node at this address' })
    wallet.onPay = () => Promise.reject(unreachable)
    expect(await get()).toMatchObject({ kind: 'wallet_unreachable' })
    expect(await spent()).toBe(0n)
  })

  it('does not need a listener that works', async () => {
    const onEvent = () => {
      throw new Error('broken listener')
    }
    expect(await get('/', { onEvent })).toMatchObject({ kind: 'served' })
  })
})

describe('limits', () => {
  it('counts the fee reserve, in millisatoshi, never floored (C2)', async () => {
    seller.plan = { invoice: { amountMsat: 10_999n } }
    await purse.setBudget({ overall: { requestMsat: 11_998n }, hosts: {} })
    expect(await get()).toMatchObject({
      kind: 'refused',
      reason: 'over_budget',
      overBudget: { limit: 'request', limitMsat: 11_998n, wouldBeMsat: 11_999n },
      offer: { amountMsat: 10_999n, maxFeeMsat: 1_000n },
    })
    await purse.setBudget({ overall: { requestMsat: 11_999n }, hosts: {} })
    expect(await get()).toMatchObject({ kind: 'served' })
  })

  it('has a limit even where none was set', async () => {
    seller.plan = { invoice: { amountMsat: 1_000_000n } }
    expect(await get()).toMatchObject({ kind: 'refused', reason: 'over_budget' })
  })

  it.each([
    ['without a multiplier', 200_000_000_000n, 'regtest'],
    ['of a whole bitcoin on signet', 100_000_000_000n, 'signet'],
  ] as const)('reads an amount %s as what it is', async (_, amountMsat, network) => {
    seller.plan = { invoice: { amountMsat, network } }
    const rich = testWallet(seller.secrets, { network })
    expect(await get('/', { wallet: rich })).toMatchObject({ kind: 'refused', reason: 'over_budget' })
    expect(rich.paid).toEqual([])
  })

  it('does not believe prices that the server declares beside the invoice', async () => {
    seller.plan = { invoice: { amountMsat: 900_000_000n } }
    seller.behaviour = (_, response) => {
      const { header } = challengeOf(seller.secrets, seller.plan)
      response.writeHead(402, { 'www-authenticate': `${header}, amount="1"`, 'x-price-sats': '1' })
      return response.end(JSON.stringify({ priceSats: 1, priceMsat: 1000 }))
    }
    expect(await get()).toMatchObject({ kind: 'refused', reason: 'over_budget' })
  })

  it('takes maxMsat for all purchases and fees of one buyer together', async () => {
    const fare = buyer({ wallet, purse, maxMsat: 21_000n })
    const fetch = async (path: string) => fare.fetch(await prepareRequest(seller.origin + path))
    seller.uses = 1
    expect(await fetch('/a')).toMatchObject({ kind: 'served' })
    expect(fare.spentMsat).toBe(10_003n)
    expect(await fetch('/b')).toMatchObject({ kind: 'refused', reason: 'over_max' })
    expect(wallet.paid).toHaveLength(1)
  })

  it('holds maxMsat when several requests run at once', async () => {
    const fare = buyer({ wallet, purse, maxMsat: 33_000n })
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => fare.fetch(await prepareRequest(`${seller.origin}/p${n}`))),
    )
    const kinds = outcomes.map((one) => one.kind)
    expect(kinds.filter((kind) => kind === 'served').length).toBeGreaterThanOrEqual(3)
    expect(fare.spentMsat).toBeLessThanOrEqual(33_000n)
    expect(wallet.paid.length * 10_000).toBeLessThanOrEqual(33_000)
  })

  it('pays nothing with maxMsat 0n, noPay, or at a host that is not allowed', async () => {
    expect(await get('/', { maxMsat: 0n })).toMatchObject({ kind: 'refused', reason: 'no_pay' })
    expect(await get('/', { noPay: true })).toMatchObject({ kind: 'refused', reason: 'no_pay' })
    expect(await get('/', { allowHost: (host) => host === 'example.com' })).toMatchObject({
      kind: 'refused',
      reason: 'host_not_allowed',
      offer: { amountMsat: 10_000n },
    })
    expect(wallet.paid).toEqual([])
    expect(await spent()).toBe(0n)
  })

  it('uses what is in the purse also where it may not pay', async () => {
    await get()
    expect(await get('/forecast', { noPay: true })).toMatchObject({ kind: 'served', reused: true })
  })

  it('reserves for the worst with a wallet that holds no fee limit', async () => {
    const uncapped = testWallet(seller.secrets, {
      paymentCapabilities: { returnsPreimage: true, capsFees: false, looksUp: true },
    })
    expect(await get('/', { wallet: async () => uncapped, maxMsat: 19_999n })).toMatchObject({
      reason: 'over_max',
    })
    expect(await get('/', { wallet: async () => uncapped, maxMsat: 20_000n })).toMatchObject({
      kind: 'served',
    })
  })
})

describe('a challenge that is not payable (C2)', () => {
  const now = (): number => Math.floor(Date.now() / 1000)
  it.each([
    ['hash_mismatch', { otherHash: true }],
    ['no_amount', { invoice: { amountMsat: null } }],
    ['wrong_network', { invoice: { network: 'mainnet' } }],
    ['expired', { invoice: { timestamp: now() - 100, expirySeconds: 60 } }],
    ['expired', { invoice: { timestamp: now(), expirySeconds: 9 } }],
    ['expired', { caveats: ['services=weather:0', `weather_valid_until=${now() + 5}`] }],
  ] as const)('is refused: %s', async (reason, plan) => {
    seller.plan = plan
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'unpayable', reason })
    expect(outcome.kind === 'unpayable' && (await outcome.response?.text())).toBe('pay first')
    expect(wallet.paid).toEqual([])
    expect(await purse.payments(9)).toEqual([])
  })

  it.each([
    ['no_challenge', {}],
    ['no_challenge', { 'www-authenticate': 'Basic realm="x"' }],
    ['malformed', { 'www-authenticate': 'L402 macaroon="AA=="' }],
    ['malformed', { 'www-authenticate': 'L402 macaroon="AA==", invoice="lnbcrt1nonsense"' }],
  ] as const)('is refused: %s for %j', async (reason, headers) => {
    seller.behaviour = (_, response) => {
      const { header } = challengeOf(seller.secrets)
      response.writeHead(402, { ...headers })
      // A challenge that stands only in the body is not paid.
      return response.end(JSON.stringify({ challenge: header }))
    }
    expect(await get()).toMatchObject({ kind: 'unpayable', reason })
    expect(wallet.paid).toEqual([])
  })

  it('takes the first payable one of several, and an opaque token for what it is', async () => {
    seller.behaviour = (received, response) => {
      if (received.headers.authorization) return response.end(received.headers.authorization)
      const bad = challengeOf(seller.secrets, { invoice: { network: 'mainnet' } }).header
      const { invoice } = challengeOf(seller.secrets)
      return response
        .writeHead(402, {
          'www-authenticate': [bad, `L402 version="0", token="opaque.token", invoice="${invoice}"`],
        })
        .end()
    }
    const outcome = await get()
    expect(outcome.kind === 'served' && (await outcome.response.text())).toMatch(
      /^L402 opaque\.token:[0-9a-f]{64}$/,
    )
  })

  it('never pays one invoice twice, though the server offers it again', async () => {
    const { header } = challengeOf(seller.secrets)
    seller.behaviour = (_, response) => response.writeHead(402, { 'www-authenticate': header }).end()
    await get('/a')
    expect(await get('/b')).toMatchObject({ kind: 'unpayable', reason: 'already_used' })
    expect(wallet.paid).toHaveLength(1)
  })

  it('does not buy with a wallet that proves nothing', async () => {
    const blind = testWallet(seller.secrets, {
      paymentCapabilities: { returnsPreimage: false, capsFees: true, looksUp: true },
    })
    expect(await get('/', { wallet: blind })).toMatchObject({ kind: 'refused', reason: 'wallet_unfit' })
    expect(blind.paid).toEqual([])
  })
})

describe('a payment that does not go well', () => {
  it('that failed frees the budget, and the next run buys anew', async () => {
    wallet.onPay = () => ({ status: 'failed', detail: 'no route' })
    expect(await get()).toMatchObject({ kind: 'payment_failed', detail: 'no route' })
    expect(await spent()).toBe(0n)
    wallet.onPay = testWallet(seller.secrets).onPay
    expect(await get()).toMatchObject({ kind: 'served' })
  })

  it.each([[{ status: 'unknown', detail: 'time-out' }], [{ status: 'pending' }]] as const)(
    'that is %j is looked up, and nothing else is paid meanwhile (C3)',
    async (end) => {
      wallet.onPay = () => end
      expect(await get()).toMatchObject({ kind: 'payment_unknown' })
      const hash = encodeHex(wallet.paid[0]?.paymentHash as Uint8Array)
      wallet.onLookup = () => ({ status: 'pending' })
      expect(await get()).toMatchObject({ kind: 'payment_unknown', paymentHash: hash })
      expect(await spent()).toBe(11_000n)
      expect(wallet.paid).toHaveLength(1)
      expect(wallet.lookedUp).toEqual([hash])
      // Paid after all: the old macaroon opens, nothing is paid again.
      const preimage = seller.secrets.get(hash) as Uint8Array
      wallet.onLookup = () => ({ status: 'paid', preimage, feeMsat: 7n })
      const outcome = await get()
      expect(outcome).toMatchObject({ kind: 'served' })
      expect(outcome.purchases).toEqual([
        expect.objectContaining({ resumed: true, paymentHash: hash, feeMsat: 7n }),
      ])
      expect(wallet.paid).toHaveLength(1)
      expect(await spent()).toBe(10_007n)
    },
  )

  it('that turns out failed lets the same call buy', async () => {
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get()
    wallet.onPay = testWallet(seller.secrets).onPay
    wallet.onLookup = () => ({ status: 'failed', detail: 'no route' })
    expect(await get()).toMatchObject({ kind: 'served' })
    expect(wallet.paid).toHaveLength(2)
    expect(await spent()).toBe(10_003n)
  })

  it('is not concluded by a wallet that was not asked, nor before the request can have arrived', async () => {
    let time = Date.now()
    const now = () => time
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get('/forecast', { walletName: 'one', now })
    wallet.onLookup = () => ({ status: 'failed', detail: 'never seen' })
    expect(await get('/forecast', { walletName: 'two', now })).toMatchObject({ kind: 'payment_unknown' })
    wallet.onLookup = () => ({ status: 'not_found' })
    expect(await get('/forecast', { walletName: 'one', now })).toMatchObject({ kind: 'payment_unknown' })
    time += 60_000
    wallet.onPay = testWallet(seller.secrets).onPay
    expect(await get('/forecast', { walletName: 'two', now })).toMatchObject({ kind: 'payment_unknown' })
    expect(await get('/forecast', { walletName: 'one', now })).toMatchObject({ kind: 'served' })
  })

  it('stays unknown when the wallet breaks, and its words are not repeated', async () => {
    wallet.onPay = () => Promise.reject(new Error('POST /pay?key=SECRET failed'))
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'payment_unknown', detail: 'the wallet broke its contract' })
    expect(await spent()).toBe(11_000n)
  })

  it('is unproven when the preimage is not the right one (C4)', async () => {
    wallet.onPay = () => ({ status: 'paid', preimage: new Uint8Array(32), feeMsat: 1n })
    expect(await get()).toMatchObject({ kind: 'paid_unproven' })
    expect(await purse.credentials()).toEqual([])
    expect(await spent()).toBe(10_001n)
    // Not bought again; and once the wallet knows the preimage, it opens.
    expect(await get()).toMatchObject({ kind: 'paid_unproven' })
    expect(wallet.paid).toHaveLength(1)
    wallet.onLookup = (hash) => ({
      status: 'paid',
      preimage: seller.secrets.get(hash) as Uint8Array,
      feeMsat: 1n,
    })
    expect(await get()).toMatchObject({ kind: 'served' })
    expect(wallet.paid).toHaveLength(1)
  })

  it('is recovered by name of the scope, whoever asks', async () => {
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get('/a')
    await get('/b')
    const hash = encodeHex(wallet.paid[0]?.paymentHash as Uint8Array)
    wallet.onLookup = (asked) =>
      asked === hash
        ? { status: 'paid', preimage: seller.secrets.get(hash) as Uint8Array, feeMsat: 0n }
        : { status: 'failed', detail: 'no route' }
    const found = await buyer({ wallet, purse }).recover()
    expect(found.map(({ state }) => state)).toEqual(['settled', 'failed'])
    expect(await purse.openPayments()).toEqual([])
    expect(await get('/a')).toMatchObject({ kind: 'served', reused: true })
  })
})

describe('single-flight (C5)', () => {
  it('buys once when the same is asked for many times at once', async () => {
    const outcomes = await Promise.all(Array.from({ length: 10 }, (_, n) => get(`/forecast?city=${n}`)))
    expect(outcomes.every((one) => one.kind === 'served')).toBe(true)
    expect(wallet.paid).toHaveLength(1)
  })

  it('buys for each where one payment is good for one call', async () => {
    seller.uses = 1
    const outcomes = await Promise.all(Array.from({ length: 4 }, () => get()))
    expect(outcomes.map((one) => one.kind)).toEqual(['served', 'served', 'served', 'served'])
    expect(wallet.paid).toHaveLength(4)
  })
})

describe('what another process has just bought', () => {
  const boughtJustNow = async (caveats: readonly string[]) => {
    const { header, paymentHash } = challengeOf(seller.secrets, { caveats })
    const [challenge] = findL402Challenges([header])
    const intent = intentOf(1, {
      paymentHash: decodeHex(paymentHash) as Uint8Array,
      origin: seller.origin,
      scope: `${seller.origin} GET /forecast`,
      macaroon: challenge?.macaroon ?? '',
      createdAtMs: Date.now(),
    })
    await purse.reserve(intent, { overall: {}, hosts: {} })
    await purse.settle(intent.paymentHash, {
      preimage: seller.secrets.get(paymentHash) as Uint8Array,
      feeMsat: 0n,
    })
  }

  it('is left to it while it counts calls, and taken once the lock shows that it is gone', async () => {
    await boughtJustNow(['services=weather:0', 'weather_max_calls=1'])
    expect(await get()).toMatchObject({ kind: 'served', reused: true })
    expect(credentialsSent()).toEqual([false, true])
    expect(wallet.paid).toEqual([])
  })

  it('is shared at once where it is a pass', async () => {
    const end = Math.floor(Date.now() / 1000) + 600
    await boughtJustNow(['services=weather:0', `weather_valid_until=${end}`])
    expect(await get('/other')).toMatchObject({ kind: 'served', reused: true })
    expect(credentialsSent()).toEqual([true])
  })
})

describe('paid and not served (C8)', () => {
  it('is never a loop: a server that always asks gets one payment', async () => {
    seller.behaviour = (_, response) => {
      seller.charge(response)
      return true
    }
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'not_served', response: { status: 402 } })
    expect(outcome.purchases).toHaveLength(1)
    // The next runs present what was bought first, and buy nothing.
    for (let run = 0; run < 3; run++) expect(await get()).toMatchObject({ kind: 'not_served', purchases: [] })
    expect(wallet.paid).toHaveLength(1)
    expect(seller.received.at(-1)?.paid).toBe(encodeHex(wallet.paid[0]?.paymentHash as Uint8Array))
  })

  it('buys once more only where policy says so', async () => {
    seller.behaviour = (_, response) => {
      seller.charge(response)
      return true
    }
    const outcome = await get('/forecast', { secondPurchase: true })
    expect(outcome).toMatchObject({ kind: 'not_served' })
    expect(outcome.purchases).toHaveLength(2)
    expect(wallet.paid).toHaveLength(2)
  })

  it.each([500, 503, 401, 403])('reports %d, and presents the credential first next time', async (status) => {
    let broken = true
    seller.behaviour = (received, response) =>
      broken && received.paid ? response.writeHead(status).end('sorry') : undefined
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'not_served', response: { status } })
    expect(await purse.payment(wallet.paid[0]?.paymentHash as Uint8Array)).toMatchObject({
      served: 'not_served',
      lastStatus: status,
    })
    broken = false
    expect(await get()).toMatchObject({ kind: 'served', reused: true, purchases: [] })
    expect(wallet.paid).toHaveLength(1)
    // Served now: a later 500 is only a 500.
    broken = true
    expect(await get()).toMatchObject({ kind: 'served', response: { status } })
  })

  it('takes what the resource itself says, such as 404, for the resource', async () => {
    seller.behaviour = (received, response) => (received.paid ? response.writeHead(404).end() : undefined)
    expect(await get()).toMatchObject({ kind: 'served', response: { status: 404 } })
  })

  it('reports a connection that fails after paying, and keeps the credential', async () => {
    let broken = true
    seller.behaviour = (received, response) => {
      if (!broken || !received.paid) return undefined
      return response.destroy()
    }
    const outcome = await get('/forecast', {}, { method: 'POST', body: 'x' })
    expect(outcome).toMatchObject({ kind: 'not_served', response: null })
    broken = false
    expect(await get('/forecast', {}, { method: 'POST', body: 'x' })).toMatchObject({
      kind: 'served',
      reused: true,
    })
    expect(wallet.paid).toHaveLength(1)
  })

  it('does not buy again where a paid answer leads back to the toll', async () => {
    const seen = new Set<string>()
    seller.behaviour = (received, response) => {
      if (received.paid === undefined || seen.has(received.paid)) return undefined
      seen.add(received.paid)
      return response.writeHead(302, { location: '/forecast' }).end()
    }
    seller.uses = 0
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'not_served', response: { status: 402 } })
    expect(outcome.purchases).toHaveLength(1)
    expect(wallet.paid).toHaveLength(1)
  })
})

describe('credentials in the purse (C9)', () => {
  it('are for one origin only', async () => {
    const other = await startSeller(seller.secrets)
    await get()
    const url = `${other.origin}/forecast`
    const outcome = await buyer({ wallet, purse }).fetch(await prepareRequest(url))
    expect(outcome).toMatchObject({ kind: 'served', reused: false })
    expect(other.received[0]?.headers.authorization).toBeUndefined()
    await other[Symbol.asyncDispose]()
  })

  it('are rejected for a scope by a 402, and kept', async () => {
    seller.uses = 1
    await get()
    await get()
    expect(wallet.paid).toHaveLength(2)
    const [, first] = await purse.credentials(seller.origin)
    expect(first?.rejectedFor).toEqual([`${seller.origin} GET /forecast`])
    expect(types()).toContain('credential_rejected')
  })

  it('are not presented when their own caveats say that they cannot open', async () => {
    const soon = Math.floor(Date.now() / 1000) + 60
    seller.plan = { caveats: ['services=weather:0', `weather_valid_until=${soon}`, 'weather_paths=/a/*'] }
    await get('/a/x')
    await get('/b')
    expect(seller.received[2]?.headers.authorization).toBeUndefined()
    const later = () => (soon + 1) * 1000
    seller.received.length = 0
    await get('/a/x', { now: later })
    expect(seller.received[0]?.headers.authorization).toBeUndefined()
  })

  it('serve two services of one host side by side', async () => {
    seller.behaviour = (received, response) => {
      const service = received.url.slice(1, 2)
      if (received.paid && kept.get(received.paid) === service) return response.end('ok')
      const made = challengeOf(seller.secrets, { caveats: [`services=${service}:0`] })
      kept.set(made.paymentHash, service)
      return response.writeHead(402, { 'www-authenticate': made.header }).end()
    }
    const kept = new Map<string, string>()
    for (const path of ['/a', '/b', '/a', '/b', '/a'])
      expect(await get(path)).toMatchObject({ kind: 'served' })
    expect(wallet.paid).toHaveLength(2)
  })
})

describe('the request (C6)', () => {
  it('is sent again unchanged: method, headers and body', async () => {
    const init = { method: 'POST', headers: { 'X-Mine': 'a, b' }, body: new URLSearchParams({ q: 'ä' }) }
    expect(await get('/query?x=1', {}, init)).toMatchObject({ kind: 'served' })
    const [unpaid, paid] = seller.received
    expect(paid).toMatchObject({ method: 'POST', url: '/query?x=1', body: 'q=%C3%A4' })
    expect(paid?.body).toBe(unpaid?.body)
    const { authorization, ...headers } = paid?.headers ?? {}
    expect(headers).toEqual(unpaid?.headers)
    expect(headers['x-mine']).toBe('a, b')
    expect(authorization).toMatch(/^L402 [A-Za-z0-9+/=]+:[0-9a-f]{64}$/)
  })

  it('keeps the boundary of a form', async () => {
    const body = new FormData()
    body.set('file', new Blob(['bytes']), 'a.txt')
    await get('/upload', {}, { method: 'POST', body })
    const [unpaid, paid] = seller.received
    expect(paid?.headers['content-type']).toBe(unpaid?.headers['content-type'])
    expect(paid?.body).toBe(unpaid?.body)
    expect(paid?.body).toContain('bytes')
  })

  it('is sent again though the server closed the connection after its 402', async () => {
    const closed = Promise.withResolvers<void>()
    seller.behaviour = (received, response) => {
      if (received.paid) return undefined
      response.socket?.once('close', () => closed.resolve())
      seller.charge(response)
      response.socket?.end()
      return true
    }
    const pay = wallet.onPay
    wallet.onPay = async (request) => {
      await closed.promise
      return await pay(request)
    }
    const outcome = await get('/query', {}, { method: 'POST', body: 'hello' })
    expect(outcome).toMatchObject({ kind: 'served' })
    expect(seller.received.map((one) => one.body)).toEqual(['hello', 'hello'])
  })

  it('is refused before paying when its body is a stream, unless that is buffered', async () => {
    const streamed = () =>
      ({ method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' }) as RequestInit
    expect(await get('/query', {}, streamed())).toMatchObject({ kind: 'refused', reason: 'not_replayable' })
    expect(wallet.paid).toEqual([])
    const fare = buyer({ wallet, purse })
    const buffered = await prepareRequest(`${seller.origin}/query`, streamed(), { bufferStreams: true })
    expect(await fare.fetch(buffered)).toMatchObject({ kind: 'served' })
    expect(seller.received.at(-1)?.body).toBe('once')
  })

  it('keeps its own Authorization: nothing is paid, and nothing replaced', async () => {
    const headers = { Authorization: 'Bearer mine' }
    expect(await get('/', {}, { headers })).toMatchObject({ kind: 'refused', reason: 'own_authorization' })
    await get('/')
    expect(await get('/', {}, { headers })).toMatchObject({ kind: 'refused', reason: 'own_authorization' })
    const sent = seller.received.map((one) => one.headers.authorization)
    expect(sent.filter((value) => value === 'Bearer mine')).toHaveLength(2)
    expect(wallet.paid).toHaveLength(1)
  })

  it('has its credential beside its own Authorization where that was asked for (V3)', async () => {
    const headers = { Authorization: 'Bearer mine' }
    const outcome = await get('/', { ownAuthorization: 'macaroon-header' }, { headers })
    expect(outcome).toMatchObject({ kind: 'served' })
    expect(seller.received[1]?.headers).toMatchObject({
      authorization: 'Bearer mine',
      macaroon: expect.stringMatching(/^[0-9a-f]+$/),
    })
  })

  it('can be aborted, which never cuts a payment under way (C3)', async () => {
    const abort = new AbortController()
    const pay = wallet.onPay
    wallet.onPay = (request) => {
      abort.abort(new Error('enough'))
      return pay(request)
    }
    const outcome = await get('/', {}, { signal: abort.signal })
    expect(outcome).toMatchObject({ kind: 'not_served', purchases: [{ amountMsat: 10_000n }] })
    expect(await purse.credentials()).toHaveLength(1)
    expect(await get('/')).toMatchObject({ kind: 'served', reused: true })
    expect(wallet.paid).toHaveLength(1)
  })

  it('pays nothing once aborted', async () => {
    const abort = new AbortController()
    const options = {
      wallet: async () => {
        abort.abort(new Error('enough'))
        return wallet
      },
    }
    await expect(get('/', options, { signal: abort.signal })).rejects.toThrow('enough')
    expect(wallet.paid).toEqual([])
    expect(await spent()).toBe(0n)
  })
})

describe('redirects (C7)', () => {
  it('lead to another origin without credential, Authorization and Cookie', async () => {
    const other = await startSeller(seller.secrets)
    other.behaviour = (_, response) => response.end('elsewhere')
    seller.behaviour = (received, response) =>
      received.url === '/away' ? response.writeHead(307, { location: `${other.origin}/x` }).end() : undefined
    await get()
    const headers = { Authorization: 'Bearer mine', Cookie: 'a=b', Macaroon: '00', 'X-Kept': 'yes' }
    await get('/away', {}, { method: 'POST', body: 'data', headers })
    await get('/away')
    expect(other.received[0]).toMatchObject({ method: 'POST', body: 'data', headers: { 'x-kept': 'yes' } })
    for (const { headers: sent } of other.received) {
      expect(sent.authorization).toBeUndefined()
      expect(sent.cookie).toBeUndefined()
      expect(sent['macaroon']).toBeUndefined()
    }
    expect(seller.received.at(-1)?.headers.authorization).toMatch(/^L402 /)
    await other[Symbol.asyncDispose]()
  })

  it('are paid by the limits and the allow-list of the host they lead to', async () => {
    const other = await startSeller(seller.secrets)
    const there = other.origin.replace('127.0.0.1', 'localhost')
    seller.behaviour = (_, response) => response.writeHead(302, { location: `${there}/x` }).end()
    const allowHost = (host: string) => host === '127.0.0.1'
    expect(await get('/', { allowHost })).toMatchObject({ reason: 'host_not_allowed' })
    expect(await get('/', { payOtherHosts: false })).toMatchObject({ reason: 'host_not_allowed' })
    await purse.setBudget({ overall: {}, hosts: { localhost: { dayMsat: 10n } } })
    expect(await get('/')).toMatchObject({ reason: 'over_budget', overBudget: { limit: 'host day' } })
    expect(wallet.paid).toEqual([])
    await purse.setBudget({ overall: {}, hosts: { '127.0.0.1': { dayMsat: 10n } } })
    expect(await get('/')).toMatchObject({ kind: 'served', url: `${there}/x` })
    expect((await purse.credentials())[0]?.origin).toBe(there)
    await other[Symbol.asyncDispose]()
  })

  it('turn POST into GET as fetch does, and lose the body and its headers', async () => {
    seller.behaviour = (received, response) => {
      if (received.url === '/landed') return response.end('ok')
      return response.writeHead(Number(received.url.slice(1)), { location: '/landed' }).end()
    }
    for (const [status, method] of [
      [301, 'GET'],
      [302, 'GET'],
      [303, 'GET'],
      [307, 'POST'],
      [308, 'POST'],
    ] as const) {
      await get(`/${status}`, {}, { method: 'POST', body: 'data', headers: { 'content-type': 'text/x' } })
      const landed = seller.received.at(-1)
      expect([status, landed?.method, landed?.body]).toEqual([status, method, method === 'GET' ? '' : 'data'])
      expect(landed?.headers['content-type']).toBe(method === 'GET' ? undefined : 'text/x')
    }
  })

  it('from https to http carry no credential and are never paid', async () => {
    const sent: { url: string; authorization: string | null }[] = []
    await get()
    const hosts = new Map([['https://secure.example/', seller.origin]])
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const url = String(input)
      sent.push({ url, authorization: new Headers(init?.headers).get('authorization') })
      const location = hosts.get(url)
      if (location) return new Response(null, { status: 302, headers: { location: `${location}/forecast` } })
      return await globalThis.fetch(url, init)
    }
    const fare = buyer({ wallet, purse, fetch })
    const outcome = await fare.fetch(await prepareRequest('https://secure.example/'))
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'downgrade' })
    expect(sent.map((one) => one.authorization)).toEqual([null, null])
    expect(wallet.paid).toHaveLength(1)
    expect((await purse.payments(9)).length).toBe(1)
  })

  it('are followed also where the platform hides them, and the credential stays at home', async () => {
    const other = await startSeller(seller.secrets)
    const sent: { url: string; authorization: string | null }[] = []
    seller.behaviour = (received, response) =>
      received.url === '/away' ? response.writeHead(302, { location: `${other.origin}/x` }).end() : undefined
    const fetch: typeof globalThis.fetch = async (input, init) => {
      sent.push({ url: String(input), authorization: new Headers(init?.headers).get('authorization') })
      const response = await globalThis.fetch(input, init)
      if (init?.redirect !== 'manual' || response.status !== 302) return response
      return Object.defineProperty(new Response(null), 'type', { value: 'opaqueredirect' })
    }
    await get()
    const outcome = await get('/away', { fetch })
    expect(outcome).toMatchObject({ kind: 'served', url: `${other.origin}/x`, reused: false })
    const unpaid = sent.slice(0, -1)
    expect(unpaid.filter((one) => one.url.startsWith(other.origin)).map((one) => one.authorization)).toEqual([
      null,
    ])
    expect(sent.map((one) => one.authorization !== null)).toEqual([true, false, false, true])
    await expect(get('/away', { fetch }, { method: 'POST' })).rejects.toThrow(TypeError)
    await other[Symbol.asyncDispose]()
  })

  it('end somewhere', async () => {
    seller.behaviour = (received, response) => response.writeHead(302, { location: `${received.url}x` }).end()
    await expect(get('/x', { maxRedirects: 3 })).rejects.toThrow('more than 3 redirects')
    expect(seller.received).toHaveLength(4)
    await expect(get('/x', {}, { redirect: 'error' })).rejects.toThrow(TypeError)
    expect(await get('/x', {}, { redirect: 'manual' })).toMatchObject({
      kind: 'served',
      response: { status: 302 },
    })
    seller.behaviour = (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end()
    await expect(get('/x')).rejects.toThrow(TypeError)
  })

  it('do not make one call pay at every hop', async () => {
    const hop = (url: string): string => `/${Number(url.slice(1)) + 1}`
    seller.behaviour = (received, response) => {
      if (received.paid && opened.get(received.paid) === received.url)
        return response.writeHead(302, { location: hop(received.url) }).end()
      const made = challengeOf(seller.secrets)
      opened.set(made.paymentHash, received.url)
      return response.writeHead(402, { 'www-authenticate': made.header }).end()
    }
    const opened = new Map<string, string>()
    const outcome = await get('/1')
    expect(outcome).toMatchObject({ kind: 'not_served', purchases: [{ amountMsat: 10_000n }] })
    expect(wallet.paid).toHaveLength(1)
  })
})

describe('a quote', () => {
  const quoted = async (path = '/forecast', options: Partial<BuyerOptions> = {}, init: RequestInit = {}) => {
    const outcome = await buyer({ wallet, purse, ...options }).quote(
      await prepareRequest(new URL(path, seller.origin), init),
    )
    if (outcome.kind !== 'quote') throw new Error(`expected a quote, got ${outcome.kind}`)
    return outcome.quote
  }
  const payQuote = async (
    id: string,
    path = '/forecast',
    init: RequestInit = {},
    options: Partial<BuyerOptions> = {},
  ) =>
    buyer({ wallet, purse, ...options }).payQuote(
      id,
      await prepareRequest(new URL(path, seller.origin), init),
    )

  it('says what it would cost, sending the real request unpaid and asking no wallet', async () => {
    await get()
    seller.received.length = 0
    const lazy = () => Promise.reject(new Error('no wallet needed'))
    const quote = await quoted('/forecast', { wallet: lazy }, { method: 'POST', body: 'data' })
    expect(quote).toMatchObject({
      id: quote.paymentHash.slice(0, 16),
      method: 'POST',
      amountMsat: 10_000n,
      maxFeeMsat: 1_000n,
      network: 'regtest',
      payee: expect.stringMatching(/^0[23][0-9a-f]{64}$/),
      description: 'one forecast',
      caveats: ['services=weather:0'],
      refusal: null,
      heldCredentialId: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
    expect(seller.received).toMatchObject([{ method: 'POST', body: 'data', paid: undefined }])
  })

  it('is paid as it stands, once, and nothing is sent before', async () => {
    const { id, paymentHash } = await quoted()
    seller.received.length = 0
    expect(await payQuote(id)).toMatchObject({ kind: 'served', purchases: [{ paymentHash }] })
    expect(seller.received.map((one) => one.paid)).toEqual([paymentHash])
    expect(await payQuote(id)).toMatchObject({ kind: 'unpayable', reason: 'already_used' })
    expect(wallet.paid.map((one) => encodeHex(one.paymentHash))).toEqual([paymentHash])
  })

  it('is for that request only', async () => {
    const { id } = await quoted('/forecast', {}, { method: 'POST', body: 'data' })
    const post = (body: string): RequestInit => ({ method: 'POST', body })
    expect(await payQuote(id, '/other', post('data'))).toMatchObject({ reason: 'quote_mismatch' })
    expect(await payQuote(id, '/forecast', post('else'))).toMatchObject({ reason: 'quote_mismatch' })
    expect(await payQuote(id, '/forecast')).toMatchObject({ reason: 'quote_mismatch' })
    expect(await payQuote('beef', '/forecast', post('data'))).toMatchObject({ reason: 'quote_mismatch' })
    expect(wallet.paid).toEqual([])
    expect(await payQuote(id, '/forecast', post('data'))).toMatchObject({ kind: 'served' })
  })

  it('says why it would not be paid, and is not', async () => {
    await purse.setBudget({ overall: { requestMsat: 100n }, hosts: {} })
    const { id, refusal } = await quoted()
    expect(refusal).toMatchObject({
      kind: 'refused',
      reason: 'over_budget',
      overBudget: { limit: 'request' },
    })
    expect(await payQuote(id)).toMatchObject({ kind: 'refused', reason: 'over_budget' })
    expect(await payQuote(id, '/forecast', {}, { noPay: true })).toMatchObject({ reason: 'no_pay' })
  })

  it('ends', async () => {
    const { id, expiresAt } = await quoted()
    const now = () => expiresAt * 1000
    expect(await payQuote(id, '/forecast', {}, { now })).toMatchObject({
      kind: 'unpayable',
      reason: 'expired',
    })
  })

  it('follows redirects, and is paid where they led', async () => {
    seller.behaviour = (received, response) =>
      received.url === '/old' ? response.writeHead(302, { location: '/new' }).end() : undefined
    const quote = await quoted('/old')
    expect(quote).toMatchObject({ requestUrl: `${seller.origin}/old`, url: `${seller.origin}/new` })
    expect(await payQuote(quote.id, '/old')).toMatchObject({ kind: 'served', url: `${seller.origin}/new` })
  })

  it('is nothing where nothing is charged, or cannot be paid', async () => {
    const ask = async () => buyer({ wallet, purse }).quote(await prepareRequest(seller.origin))
    seller.plan = { otherHash: true }
    expect(await ask()).toMatchObject({ kind: 'unpayable', reason: 'hash_mismatch' })
    seller.behaviour = (_, response) => response.end('free')
    expect(await ask()).toMatchObject({ kind: 'no_charge' })
  })
})

describe('secrets (C10)', () => {
  it('are in no event, outcome or error', async () => {
    const outcomes: unknown[] = [await get(), await get()]
    seller.behaviour = (_, response) => {
      seller.charge(response)
      return true
    }
    outcomes.push(
      await get('/never'),
      await get('/never', { secondPurchase: true }),
      await get('/x', { noPay: true }),
    )
    wallet.onPay = () => ({ status: 'unknown', detail: 'time-out' })
    outcomes.push(await get('/y'), await buyer({ wallet, purse }).recover())
    const show = (value: unknown): string =>
      JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one))
    const told = show(events) + show(outcomes)
    const held = await purse.credentials()
    expect(held.length).toBeGreaterThan(2)
    for (const { macaroon, preimage } of held) {
      expect(told).not.toContain(macaroon)
      expect(told).not.toContain(encodeHex(preimage))
      expect(decodeHex(encodeHex(preimage))).toEqual(preimage)
    }
  })

  it('in a query stay out of events', async () => {
    await get('/forecast?api_key=hush')
    expect(JSON.stringify(events, (_, one) => (typeof one === 'bigint' ? String(one) : one))).not.toContain(
      'hush',
    )
  })
})
