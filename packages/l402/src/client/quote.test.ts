import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { encodeHex } from '../core/bytes.ts'
import { buyer } from './buyer.ts'
import { delivered } from './delivery.ts'
import { prepareRequest } from './prepare.ts'
import type { BuyerOptions } from './types.ts'

let seller: Stage['seller']
let wallet: Stage['wallet']
let purse: Stage['purse']
let get: Stage['get']

beforeEach(async () => {
  ;({ seller, wallet, purse, get } = await setStage())
})
afterEach(() => seller[Symbol.asyncDispose]())

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
    const outcome = await payQuote(id)
    expect(outcome).toMatchObject({ kind: 'served', purchases: [{ paymentHash }] })
    await delivered(outcome, 'whole')
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

  it('is the one invoice that is paid, wherever the server leads to', async () => {
    seller.behaviour = ({ paid }, response) => (paid ? response.writeHead(500).end() : undefined)
    await get()
    expect(wallet.paid).toHaveLength(1)
    seller.behaviour = ({ url, paid }, response) => {
      if (url === '/dear') return seller.charge(response) ?? 'charged'
      return paid ? response.writeHead(302, { location: '/dear' }).end() : undefined
    }
    const again = { secondPurchase: true }
    const owing = await quoted()
    expect(await payQuote(owing.id, '/forecast', {}, again)).toMatchObject({ reason: 'quote_mismatch' })
    expect(wallet.paid).toHaveLength(1)
    const { id } = await quoted('/other')
    expect(await payQuote(id, '/other', {}, again)).toMatchObject({ kind: 'not_served' })
    expect(wallet.paid).toHaveLength(2)
  })

  it('is nothing where nothing is charged, or cannot be paid', async () => {
    const ask = async () => buyer({ wallet, purse }).quote(await prepareRequest(seller.origin))
    seller.plan = { otherHash: true }
    expect(await ask()).toMatchObject({ kind: 'unpayable', reason: 'hash_mismatch' })
    seller.behaviour = (_, response) => response.end('free')
    expect(await ask()).toMatchObject({ kind: 'no_charge' })
  })
})
