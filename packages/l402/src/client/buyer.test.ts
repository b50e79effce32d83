import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Stage, setStage } from '../../test/support/stage.ts'
import { encodeHex } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import { buyer } from './buyer.ts'

let seller: Stage['seller']
let wallet: Stage['wallet']
let purse: Stage['purse']
let events: Stage['events']
let get: Stage['get']
let types: Stage['types']
let spent: Stage['spent']
let credentialsSent: Stage['credentialsSent']

beforeEach(async () => {
  ;({ seller, wallet, purse, events, get, types, spent, credentialsSent } = await setStage())
})
afterEach(() => seller[Symbol.asyncDispose]())

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
    }
  })

  it('in a query stay out of events', async () => {
    await get('/forecast?api_key=hush')
    expect(JSON.stringify(events, (_, one) => (typeof one === 'bigint' ? String(one) : one))).not.toContain(
      'hush',
    )
  })
})
