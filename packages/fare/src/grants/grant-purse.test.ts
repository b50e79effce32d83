import { join } from 'node:path'
import { type BuyerOptions, buyer, delivered, prepareRequest } from '@turnpike/l402/client'
import { expect, it, onTestFinished } from 'vitest'
import { setStage } from '../../../l402/test/support/stage.ts'
import { temporaryFolder } from '../../test/support/folder.ts'
import { openGrantBook } from './grant-book.ts'
import { grantPurse } from './grant-purse.ts'
import { usersPurse } from './users-purse.ts'

const TERMS = { totalMsat: 30_000n, requestMsat: null, hosts: ['127.0.0.1'], task: '' }

/** A grant whose first payment never got to its wallet, and nobody knows that. */
async function unsent() {
  const stage = await setStage()
  const file = join(temporaryFolder(), 'grants.db')
  const book = openGrantBook(file)
  onTestFinished(async () => {
    book.close()
    await stage.seller[Symbol.asyncDispose]()
  })
  const { grant } = book.create({ ...TERMS, expiresAtMs: Date.now() + 3_600_000 })
  let clock = Date.now()
  const purse = grantPurse(stage.purse, { book, grant })
  const get = async (options: Partial<BuyerOptions> = {}) => {
    // Each call at another time than the one before.
    clock += 1_000
    const now = (): number => clock
    const fare = buyer({ wallet: stage.wallet, purse, now, ...options })
    const outcome = await fare.fetch(await prepareRequest(new URL('/forecast', stage.seller.origin)))
    await delivered(outcome, 'whole')
    return outcome
  }
  const { onPay } = stage.wallet
  stage.wallet.onPay = () => ({ status: 'unknown', detail: 'silent' })
  expect((await get()).kind).toBe('payment_unknown')
  stage.wallet.onPay = onPay
  stage.wallet.paid.length = 0
  return { ...stage, file, book, grant, view: purse, get }
}

it('a payment that is sent again stays the payment of its grant', async () => {
  const { get, view, wallet, purse, book, grant } = await unsent()
  expect(await get()).toMatchObject({ kind: 'served' })
  expect(await get()).toMatchObject({ kind: 'served', reused: true })
  expect(wallet.paid).toHaveLength(1)
  expect(await purse.payments(9)).toHaveLength(1)
  expect(await view.credentials()).toHaveLength(1)
  const [payment] = await view.payments(9)
  expect(book.get(grant.id)?.spentMsat).toBe((payment?.amountMsat ?? -1n) + (payment?.feeMsat ?? 0n))
})

it('a grant that was revoked meanwhile sends no payment again', async () => {
  const { get, wallet, book, grant, view } = await unsent()
  book.revoke(grant.id)
  expect((await get()).kind).not.toBe('served')
  expect(wallet.paid).toHaveLength(0)
  expect(await view.openPayments()).toHaveLength(1)
})

it('a payment stays with its grant also where the process died between the books of the grant and the purse', async () => {
  const { get, book, grant, view, wallet } = await unsent()
  const [open] = await view.openPayments()
  book.renew(grant.id, { paymentHash: open?.paymentHash ?? new Uint8Array(), nowMs: Date.now() + 500 })
  expect(await view.openPayments()).toHaveLength(1)
  expect(await get()).toMatchObject({ kind: 'served' })
  expect(wallet.paid).toHaveLength(1)
  expect(await view.credentials()).toHaveLength(1)
})

it('a payment that its user sends again stays the payment of its grant', async () => {
  const { get, wallet, purse, view, file, book, grant } = await unsent()
  expect(await get({ purse: usersPurse(purse, file) })).toMatchObject({ kind: 'served' })
  expect(await get()).toMatchObject({ kind: 'served', reused: true })
  expect(wallet.paid).toHaveLength(1)
  expect(await view.credentials()).toHaveLength(1)
  const [payment] = await view.payments(9)
  // What was found out elsewhere is taken over before anything more is bought.
  if (payment) await view.fits(payment, await purse.budget())
  expect(book.get(grant.id)?.spentMsat).toBe((payment?.amountMsat ?? -1n) + (payment?.feeMsat ?? 0n))
})

it('an order that never got beyond the book of its grant is let go of, although the invoice failed there before', async () => {
  const { view, book, grant, purse } = await unsent()
  const [open] = await view.openPayments()
  if (open === undefined) throw new Error('expected an open payment')
  const { paymentHash, amountMsat, maxFeeMsat, createdAtMs } = open
  await view.conclude(paymentHash, { state: 'failed', detail: 'no route' })
  expect(book.get(grant.id)?.spentMsat).toBe(0n)
  // The process ends here, before the purse is asked.
  book.hold(grant.id, { paymentHash, msat: 11_000n, createdAtMs: createdAtMs + 500 })
  expect(book.get(grant.id)?.spentMsat).toBe(11_000n)
  const later = grantPurse(purse, { book, grant, now: () => createdAtMs + 3_600_000 })
  await later.fits({ ...open, amountMsat, maxFeeMsat }, await purse.budget())
  expect(book.get(grant.id)?.spentMsat).toBe(0n)
})

it('an invoice that failed under a grant and is paid outside it is none of its payments', async () => {
  const { view, purse, file } = await unsent()
  const [open] = await view.openPayments()
  if (!open) throw new Error('expected an open payment')
  const { paymentHash } = open
  await view.conclude(paymentHash, { state: 'failed', detail: 'no route' })
  const user = usersPurse(purse, file)
  const budget = await user.budget()
  const createdAtMs = open.createdAtMs + 60_000
  expect(await user.reserve({ ...open, createdAtMs }, budget)).toEqual({ ok: true })
  const order = { nowMs: createdAtMs + 1, orderEndsAtMs: createdAtMs + 2, detail: 'again' }
  expect(await user.renew(paymentHash, order, budget)).toEqual({ ok: true })
  expect(await view.openPayments()).toEqual([])
})
