import { IDBFactory, IDBKeyRange } from 'fake-indexeddb'
import { beforeAll, describe, expect, it } from 'vitest'
import { intentOf, NO_LIMITS, proofOf } from '../../../test/support/purse-samples.ts'
import type { Budget } from '../purse.ts'
import { purseContract } from '../purse-contract.test-suite.ts'
import { indexedDbPurse } from './index.ts'

// The real one runs in `npm run test:runtimes`, in a browser.
const indexedDB = new IDBFactory()
let names = 0
const newName = (): string => `purse-${names++}`
beforeAll(() => {
  globalThis.IDBKeyRange = IDBKeyRange
})

purseContract('indexedDbPurse', async (now) => indexedDbPurse({ name: newName(), indexedDB, now }))

describe('indexedDbPurse', () => {
  it('shows each tab what others wrote, in the order in which it came in', async () => {
    const name = newName()
    const [one, two] = [indexedDbPurse({ name, indexedDB }), indexedDbPurse({ name, indexedDB })]
    const sameTime = { createdAtMs: 1 }
    await one.reserve(intentOf(1, sameTime), NO_LIMITS)
    await two.reserve(intentOf(2, sameTime), NO_LIMITS)
    await one.reserve(intentOf(3, sameTime), NO_LIMITS)
    await two.settle(proofOf(1).paymentHash, { preimage: proofOf(1).preimage, feeMsat: 3n })
    await one.conclude(proofOf(2).paymentHash, { state: 'failed', detail: '' })
    const late = indexedDbPurse({ name, indexedDB })
    const books = await one.payments(9)
    expect(books.map(({ macaroon }) => macaroon)).toEqual(['macaroon-3', 'macaroon-2', 'macaroon-1'])
    expect(await two.payments(9)).toEqual(books)
    expect(await late.payments(9)).toEqual(books)
    await one.close()
    await expect(one.payments(1)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await two.payments(9)).toEqual(books)
  })

  it('never holds more than the limit when several tabs ask at once', async () => {
    const name = newName()
    const budget: Budget = { overall: { dayMsat: 55_000n }, hosts: {} }
    const tabs = Array.from({ length: 4 }, () => indexedDbPurse({ name, indexedDB }))
    const answers = await Promise.all(
      tabs.flatMap((tab, t) => Array.from({ length: 5 }, (_, n) => tab.reserve(intentOf(5 * t + n), budget))),
    )
    expect(answers.filter(({ ok }) => ok)).toHaveLength(5)
  })

  it('lets one tab at a time hold a lock', async () => {
    const name = newName()
    const [one, two] = [indexedDbPurse({ name, indexedDB }), indexedDbPurse({ name, indexedDB })]
    await one.withLock('scope', async () => {
      const tooLong = AbortSignal.timeout(30)
      await expect(two.withLock('scope', async () => {}, tooLong)).rejects.toMatchObject({
        name: 'TimeoutError',
      })
      const elsewhere = indexedDbPurse({ name: newName(), indexedDB })
      expect(await elsewhere.withLock('scope', async () => 'free')).toBe('free')
    })
    expect(await two.withLock('scope', async () => 'free')).toBe('free')
  })

  it('refuses a database of another program', async () => {
    const name = newName()
    await new Promise((resolve) => {
      const request = indexedDB.open(name, 1)
      request.onsuccess = () => resolve(request.result.close())
    })
    await expect(indexedDbPurse({ name, indexedDB }).payments(1)).rejects.toMatchObject({
      code: 'store_incompatible',
    })
    const newer = newName()
    await new Promise((resolve) => {
      const request = indexedDB.open(newer, 2)
      request.onsuccess = () => resolve(request.result.close())
    })
    await expect(indexedDbPurse({ name: newer, indexedDB }).payments(1)).rejects.toMatchObject({
      code: 'store_incompatible',
    })
  })

  it('says at set-up what the platform lacks', () => {
    expect(() => indexedDbPurse()).toThrow(TypeError)
  })
})
