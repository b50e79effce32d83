import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { challengeOf, testWallet } from '../../test/support/seller.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { buyer } from './buyer.ts'
import { prepareRequest } from './prepare.ts'

let seller: Stage['seller']
let wallet: Stage['wallet']
let purse: Stage['purse']
let get: Stage['get']
let spent: Stage['spent']

beforeEach(async () => {
  ;({ seller, wallet, purse, get, spent } = await setStage())
})
afterEach(() => seller[Symbol.asyncDispose]())

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

  it('counts the fee reserve against maxMsat', async () => {
    expect(await get('/', { maxMsat: 10_999n })).toMatchObject({
      reason: 'over_max',
      overBudget: { limit: 'max', limitMsat: 10_999n, wouldBeMsat: 11_000n },
    })
    expect(await get('/', { maxMsat: 11_000n })).toMatchObject({ kind: 'served' })
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

  it('gives back what it held where another process took the last of the budget', async () => {
    const late = { ok: false, limit: 'day', limitMsat: 1n, wouldBeMsat: 2n } as const
    const fare = buyer({ wallet, purse: { ...purse, reserve: async () => late } })
    const outcome = await fare.fetch(await prepareRequest(seller.origin))
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'over_budget', overBudget: late })
    expect(fare.spentMsat).toBe(0n)
    expect(wallet.paid).toEqual([])
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
