import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { giveUp } from '../../test/support/recover-with.ts'
import { testWallet } from '../../test/support/seller.ts'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { encodeHex } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import type { PaymentOutcome } from '../lightning/backend.ts'
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
      expect(new Set(wallet.lookedUp)).toEqual(new Set([hash]))
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

  it('that was written off is waited for no more, is never sent again, and counts for good', async () => {
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get()
    const first = wallet.paid[0]?.paymentHash as Uint8Array
    wallet.onLookup = () => ({ status: 'not_found' })
    wallet.onPay = testWallet(seller.secrets).onPay
    expect(await giveUp(purse, first)).toMatchObject({ state: 'unknown' })
    const outcome = await get()
    expect(outcome).toMatchObject({ kind: 'served', purchases: [{ resumed: false }] })
    expect(wallet.paid.map(({ paymentHash }) => encodeHex(paymentHash))).toEqual([
      encodeHex(first),
      outcome.purchases[0]?.paymentHash,
    ])
    expect(wallet.lookedUp).toEqual([])
    // The most that the first may have cost, and the second.
    expect(await spent()).toBe(21_003n)
  })

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

  it('is neither concluded nor sent again by another wallet under the same name', async () => {
    let time = Date.now()
    const now = () => time
    const as = (...ids: string[]) => ({
      walletName: 'main',
      now,
      wallet: { ...wallet, identities: async () => ids },
    })
    const real = wallet.onPay
    const says = (answer: PaymentOutcome): void => {
      wallet.onLookup = () => answer
    }
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get('/forecast', as('own:one', 'at:here'))
    expect((await purse.openPayments())[0]?.walletId).toBe('own:one')
    wallet.onPay = real
    time += 90_000
    for (const status of ['not_found', 'failed'] as const) {
      says(status === 'failed' ? { status, detail: 'never seen' } : { status })
      const outcome = await get('/forecast', as('own:two', 'at:here'))
      expect(outcome).toMatchObject({
        kind: 'payment_unknown',
        detail: expect.stringContaining('as it was then'),
      })
      expect(wallet.paid).toHaveLength(1)
    }
    expect(await spent()).toBe(11_000n)
    // The node is back, at another address: its key tells.
    says({ status: 'not_found' })
    expect(await get('/forecast', as('own:one', 'at:elsewhere'))).toMatchObject({ kind: 'served' })
    expect(new Set(wallet.paid.map(({ paymentHash }) => encodeHex(paymentHash))).size).toBe(1)
  })

  it('is sent again only where the limits allow it now, whatever they held when it was first sent', async () => {
    let time = Date.now()
    const now = () => time
    await purse.setBudget({ overall: { hourMsat: 15_000n }, hosts: {} })
    seller.plan = { invoice: { expirySeconds: 86_400 } }
    seller.uses = 1
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get('/a', { now })
    wallet.onLookup = () => ({ status: 'not_found' })
    wallet.onPay = testWallet(seller.secrets).onPay
    time += 3_601_000
    expect(await get('/b', { now })).toMatchObject({ kind: 'served' })
    const paid = wallet.paid.length
    expect(await get('/a', { now })).toMatchObject({ kind: 'refused', reason: 'over_budget' })
    expect(wallet.paid).toHaveLength(paid)
    time += 3_601_000
    expect(await get('/a', { now })).toMatchObject({ kind: 'served' })
  })

  it('stays open where it could not be sent again: the first order may still be on its way (C3)', async () => {
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get()
    wallet.onLookup = () => ({ status: 'not_found' })
    wallet.onPay = () => Promise.reject(new L402Error('lightning_unavailable', 'down'))
    expect(await get()).toMatchObject({ kind: 'payment_unknown' })
    wallet.onPay = testWallet(seller.secrets).onPay
    expect(await get()).toMatchObject({ kind: 'served' })
    expect(new Set(wallet.paid.map(({ paymentHash }) => encodeHex(paymentHash))).size).toBe(1)
  })

  it('is sent again within the most of one run, its own hold left out, and not beyond it', async () => {
    const { onPay } = wallet
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    const slow = {
      ...purse,
      renew: async (...order: Parameters<typeof purse.renew>) => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        return await purse.renew(...order)
      },
    }
    const one = buyer({ wallet, purse: slow, maxMsat: 15_000n })
    const other = buyer({ wallet, purse: slow, maxMsat: 15_000n })
    const ask = async (fare: typeof one, path: string) =>
      await fare.fetch(await prepareRequest(new URL(path, seller.origin)))
    await ask(one, '/a')
    await ask(other, '/b')
    wallet.onLookup = () => ({ status: 'not_found' })
    wallet.onPay = onPay
    const outcomes = await Promise.all([ask(one, '/a'), ask(one, '/b')])
    expect(outcomes.map(({ kind }) => kind)).toEqual(['served', 'payment_unknown'])
    expect(one.spentMsat).toBe(10_003n)
  })

  it('is not concluded before the time of the run that sent it is up, however short another run waits (C3)', async () => {
    let time = Date.now()
    const now = () => time
    wallet.onPay = () => ({ status: 'unknown', detail: '' })
    await get('/forecast', { now })
    wallet.onLookup = () => ({ status: 'not_found' })
    const hasty = buyer({ wallet, purse, now, paymentTimeoutMs: 1_000 })
    time += 59_999
    expect(await hasty.recover()).toMatchObject([{ state: 'unknown' }])
    expect(await spent()).toBe(11_000n)
    // Sent again, it has its time again.
    expect(await get('/forecast', { now })).toMatchObject({ kind: 'payment_unknown' })
    expect(wallet.paid).toHaveLength(2)
    time += 59_999
    expect(await hasty.recover()).toMatchObject([{ state: 'unknown' }])
    time += 1
    expect(await hasty.recover()).toMatchObject([{ state: 'failed' }])
    expect(await spent()).toBe(0n)
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
    const fare = buyer({ wallet, purse })
    const found = await fare.recover()
    // What an earlier run paid is not spent by this one.
    expect(fare.spentMsat).toBe(0n)
    expect(found.map(({ state }) => state)).toEqual(['settled', 'failed'])
    expect(await purse.openPayments()).toEqual([])
    expect(await get('/a')).toMatchObject({ kind: 'served', reused: true })
  })
})
