/** What every purse must hold to: what it lets be paid. Each implementation's test file runs it. */

import { beforeEach, describe, expect, it } from 'vitest'
import {
  intentOf,
  NO_LIMITS,
  type OpenPurse,
  PAYEE,
  proofOf,
  purseBench,
  START,
} from '../../test/support/purse-samples.ts'
import {
  type Budget,
  type BudgetLimits,
  DEFAULT_BUDGET,
  type PurseStore,
  type StoredCredential,
} from './purse.ts'
import { pursePayments } from './purse-payments.test-suite.ts'

const OTHER_PAYEE = '03'.repeat(33)

/** Runs the contract against purses that `open` makes, each new and empty. */
export function purseContract(name: string, open: OpenPurse): void {
  pursePayments(name, open)
  describe(`${name} as a purse`, () => {
    const bench = purseBench(open)
    const { reserved, settled } = bench
    let purse: PurseStore
    beforeEach(() => {
      purse = bench.purse
    })

    const overall = (limits: BudgetLimits): Budget => ({ overall: limits, hosts: {} })

    it('keeps when an order is over, also of one that is given again, and never of what is certain', async () => {
      const hash = await reserved(1)
      await purse.beginPaying(hash)
      expect((await purse.payment(hash))?.orderEndsAtMs).toBe(START + 60_001)
      const again = (orderEndsAtMs: number) =>
        purse.renew(hash, { nowMs: START + 9, orderEndsAtMs, detail: 'again' }, overall({}))
      for (const orderEndsAtMs of [START + 70_000, START + 80_000]) {
        expect(await again(orderEndsAtMs)).toEqual({ ok: true })
        const there = { state: 'unknown', createdAtMs: START + 9, orderEndsAtMs, detail: 'again' }
        expect(await purse.payment(hash)).toMatchObject(there)
      }
      await purse.conclude(hash, { state: 'failed', detail: 'no route' })
      await expect(again(START + 90_000)).rejects.toThrow(RangeError)
      expect(await purse.payment(hash)).toMatchObject({ state: 'failed', orderEndsAtMs: START + 80_000 })
      await settled(2)
      const { paymentHash } = intentOf(2)
      const order = { nowMs: START, orderEndsAtMs: START, detail: '' }
      await expect(purse.renew(paymentHash, order, overall({}))).rejects.toThrow(RangeError)
      await expect(purse.renew(intentOf(3).paymentHash, order, overall({}))).rejects.toThrow(RangeError)
    })

    it('counts an order that is given again from then on, beside everything but itself', async () => {
      const hash = await reserved(1)
      await purse.beginPaying(hash)
      const hours = (n: number) => START + n * 3_600_000
      await reserved(2, { createdAtMs: hours(2) })
      const before = await purse.payment(hash)
      const order = { nowMs: hours(2) + 1, orderEndsAtMs: hours(3), detail: 'again' }
      // Each holds 11,000 msat.
      expect(await purse.renew(hash, order, overall({ hourMsat: 21_999n }))).toEqual({
        ...{ ok: false, limit: 'hour', limitMsat: 21_999n, wouldBeMsat: 22_000n },
      })
      expect(await purse.payment(hash)).toEqual(before)
      expect(await purse.renew(hash, order, overall({ count: { max: 1, seconds: 60 } }))).toMatchObject({
        limit: 'count',
      })
      expect(await purse.payment(hash)).toEqual(before)
      expect(await purse.renew(hash, order, overall({ hourMsat: 22_000n, totalMsat: 22_000n }))).toEqual({
        ok: true,
      })
      bench.time = hours(2) + 2
      expect(await purse.spent()).toMatchObject({ hourMsat: 22_000n, totalMsat: 22_000n })
    })

    it('has limits before any were set, and keeps those that are set', async () => {
      expect(await purse.budget()).toEqual(DEFAULT_BUDGET)
      const budget: Budget = {
        overall: {
          requestMsat: 0n,
          hourMsat: 2n ** 60n,
          dayMsat: 3n,
          totalMsat: 4n,
          count: { max: 5, seconds: 60 },
        },
        hosts: { 'xn--exmple-cua.com': { dayMsat: 7n, approveAboveMsat: 6n } },
        payees: { [PAYEE]: { requestMsat: 8n } },
        tasks: { nightly: { count: { max: 9, seconds: 3_600 } } },
        hostLists: { allow: ['*.example.com'], deny: ['bad.example.com'] },
        payeeLists: { deny: [OTHER_PAYEE] },
        breakers: { priceJump: 2.5, unserved: { max: 3, seconds: 60 } },
      }
      await purse.setBudget(budget)
      expect(await purse.budget()).toEqual(budget)
    })

    it('refuses limits that cannot be meant', async () => {
      for (const limits of [
        { hourMsat: -1n },
        { count: { max: 1.5, seconds: 1 } },
        { count: { max: 1, seconds: 0 } },
        { approveAboveMsat: -1n },
      ]) {
        await expect(purse.setBudget(overall(limits))).rejects.toThrow(RangeError)
      }
      for (const policy of [
        { payees: { me: {} } },
        { payeeLists: { allow: ['AB'.repeat(33)] } },
        { hostLists: { allow: ['https://api.example.com'] } },
        { hostLists: { deny: ['Example.com'] } },
        { breakers: { priceJump: 0.5 } },
        { breakers: { unserved: { max: 0, seconds: 60 } } },
      ]) {
        await expect(purse.setBudget({ ...NO_LIMITS, ...policy })).rejects.toThrow(RangeError)
      }
      expect(await purse.budget()).toEqual(DEFAULT_BUDGET)
    })

    it('keeps an intent with all that is needed to go on after a crash', async () => {
      const hash = await reserved(1)
      expect(await purse.payment(hash)).toEqual({
        ...intentOf(1),
        state: 'reserved',
        served: 'unserved',
        preimage: null,
        feeMsat: 0n,
        lastStatus: 0,
        detail: '',
        updatedAtMs: START,
      })
      expect(await purse.payment(proofOf(2).paymentHash)).toBeUndefined()
    })

    it('keeps no body digest where there was no body', async () => {
      const hash = await reserved(1, { bodyDigest: null })
      expect((await purse.payment(hash))?.bodyDigest).toBeNull()
    })

    it('keeps amounts beyond the integers of a double exactly', async () => {
      const hash = await reserved(1, { amountMsat: 2n ** 60n + 1n })
      expect((await purse.payment(hash))?.amountMsat).toBe(2n ** 60n + 1n)
      expect((await purse.spent()).totalMsat).toBe(2n ** 60n + 1_001n)
    })

    it('never takes one payment hash twice, unless it failed: then the new attempt takes its place', async () => {
      const hash = await reserved(1)
      await expect(purse.reserve(intentOf(1), NO_LIMITS)).rejects.toThrow(RangeError)
      await purse.conclude(hash, { state: 'failed', detail: 'no route' })
      expect(await purse.reserve(intentOf(1, { wallet: 'another' }), NO_LIMITS)).toEqual({ ok: true })
      expect(await purse.payments(10)).toMatchObject([{ state: 'reserved', wallet: 'another', detail: '' }])
      await purse.conclude(hash, { state: 'unknown', detail: 'no answer' })
      await expect(purse.reserve(intentOf(1), NO_LIMITS)).rejects.toThrow(RangeError)
    })

    it('refuses an intent that no purse can hold', async () => {
      await expect(
        purse.reserve(intentOf(1, { paymentHash: new Uint8Array(31) }), NO_LIMITS),
      ).rejects.toThrow(RangeError)
      await expect(purse.reserve(intentOf(1, { amountMsat: -1n }), NO_LIMITS)).rejects.toThrow(RangeError)
      await expect(purse.reserve(intentOf(1, { maxFeeMsat: 2n ** 63n }), NO_LIMITS)).rejects.toThrow(
        RangeError,
      )
    })

    it('counts amount and fee reserve against the limit for one purchase', async () => {
      expect(await purse.reserve(intentOf(1), overall({ requestMsat: 10_999n }))).toEqual({
        ok: false,
        limit: 'request',
        limitMsat: 10_999n,
        wouldBeMsat: 11_000n,
      })
      expect(await purse.payment(intentOf(1).paymentHash)).toBeUndefined()
      expect(await purse.reserve(intentOf(1), overall({ requestMsat: 11_000n }))).toEqual({ ok: true })
    })

    it.each([
      ['hour', { hourMsat: 21_999n }],
      ['day', { dayMsat: 21_999n }],
      ['total', { totalMsat: 21_999n }],
    ] as const)('counts what is held against the limit of %s', async (limit, limits) => {
      await reserved(1)
      const over = { ok: false, limit, limitMsat: 21_999n, wouldBeMsat: 22_000n }
      expect(await purse.fits(intentOf(2), overall(limits))).toEqual(over)
      expect(await purse.reserve(intentOf(2), overall(limits))).toEqual(over)
      expect(await purse.openPayments()).toHaveLength(1)
    })

    it('asks whether a cost would fit without holding anything', async () => {
      expect(await purse.fits(intentOf(1), overall({ totalMsat: 11_000n }))).toEqual({ ok: true })
      expect((await purse.spent()).totalMsat).toBe(0n)
    })

    it('lets hours and days pass, and never the total', async () => {
      await reserved(1, { createdAtMs: START })
      const hourLater = { createdAtMs: START + 3_600_000 }
      const justBefore = { createdAtMs: START + 3_599_999 }
      const dayLater = { createdAtMs: START + 86_400_000 }
      expect(await purse.fits(intentOf(2, justBefore), overall({ hourMsat: 11_000n }))).toMatchObject({
        limit: 'hour',
      })
      expect(await purse.fits(intentOf(2, hourLater), overall({ hourMsat: 11_000n }))).toEqual({ ok: true })
      expect(await purse.fits(intentOf(2, hourLater), overall({ dayMsat: 11_000n }))).toMatchObject({
        limit: 'day',
      })
      expect(await purse.fits(intentOf(2, dayLater), overall({ dayMsat: 11_000n }))).toEqual({ ok: true })
      expect(await purse.fits(intentOf(2, dayLater), overall({ totalMsat: 11_000n }))).toMatchObject({
        limit: 'total',
      })
    })

    it('holds limits of a host beside those of all', async () => {
      const budget: Budget = {
        overall: { dayMsat: 30_000n },
        hosts: { 'api.example.com': { dayMsat: 11_000n } },
      }
      const elsewhere = { host: 'other.example', origin: 'https://other.example' }
      expect(await purse.reserve(intentOf(1), budget)).toEqual({ ok: true })
      expect(await purse.reserve(intentOf(2), budget)).toMatchObject({ limit: 'host day' })
      expect(await purse.reserve(intentOf(2, elsewhere), budget)).toEqual({ ok: true })
      expect(await purse.reserve(intentOf(3, elsewhere), budget)).toMatchObject({ limit: 'day' })
      expect((await purse.spent('api.example.com')).dayMsat).toBe(11_000n)
      expect((await purse.spent()).dayMsat).toBe(22_000n)
    })

    it('holds limits of a payee, whatever host it sells at', async () => {
      const budget: Budget = { ...NO_LIMITS, payees: { [PAYEE]: { hourMsat: 11_000n } } }
      expect(await purse.reserve(intentOf(1), budget)).toEqual({ ok: true })
      const elsewhere = { host: 'other.example', origin: 'https://other.example' }
      expect(await purse.reserve(intentOf(2, elsewhere), budget)).toMatchObject({ limit: 'payee hour' })
      expect(await purse.reserve(intentOf(3, { payee: OTHER_PAYEE }), budget)).toEqual({ ok: true })
      expect((await purse.spent({ payee: PAYEE })).hourMsat).toBe(11_000n)
    })

    it('holds limits of a task, whatever it buys, beside those of all others', async () => {
      const budget: Budget = {
        ...NO_LIMITS,
        tasks: { nightly: { totalMsat: 21_999n, requestMsat: 11_000n } },
      }
      const nightly = { task: 'nightly' }
      expect(await purse.reserve(intentOf(1, nightly), budget)).toEqual({ ok: true })
      expect(await purse.reserve(intentOf(2, nightly), budget)).toMatchObject({ limit: 'task total' })
      expect(await purse.fits(intentOf(2, { ...nightly, maxFeeMsat: 1_001n }), budget)).toMatchObject({
        limit: 'task request',
      })
      expect(await purse.reserve(intentOf(3), budget)).toEqual({ ok: true })
      expect(await purse.spent({ task: 'nightly' })).toMatchObject({ totalMsat: 11_000n, count: 1 })
      expect(await purse.payment(intentOf(1).paymentHash)).toMatchObject({ task: 'nightly' })
    })

    it('never holds more than the limit of a task when many ask at once', async () => {
      const budget: Budget = { ...NO_LIMITS, tasks: { t: { count: { max: 3, seconds: 60 } } } }
      const answers = await Promise.all(
        Array.from({ length: 9 }, (_, n) => purse.reserve(intentOf(n, { task: 't' }), budget)),
      )
      expect(answers.filter((answer) => answer.ok)).toHaveLength(3)
      expect((await purse.spent({ task: 't' })).count).toBe(3)
    })

    it.each([
      ['a host that is not on the list', { hostLists: { allow: ['example.com'] } }, 'host list'],
      ['any host where the list is empty', { hostLists: { allow: [] } }, 'host list'],
      ['a host that is denied', { hostLists: { deny: ['*.example.com'] } }, 'host list'],
      [
        'a host on both lists',
        { hostLists: { allow: ['api.example.com'], deny: ['api.example.com'] } },
        'host list',
      ],
      ['a payee that is not on the list', { payeeLists: { allow: [OTHER_PAYEE] } }, 'payee list'],
      ['a payee that is denied', { payeeLists: { deny: [PAYEE] } }, 'payee list'],
    ] as const)('reserves nothing for %s', async (_, lists, limit) => {
      const refusal = { ok: false, limit, limitMsat: 0n, wouldBeMsat: 0n }
      expect(await purse.fits(intentOf(1), { ...NO_LIMITS, ...lists })).toEqual(refusal)
      expect(await purse.reserve(intentOf(1), { ...NO_LIMITS, ...lists })).toEqual(refusal)
      expect(await purse.payments(9)).toEqual([])
    })

    it('reserves for what the lists allow', async () => {
      const budget: Budget = {
        ...NO_LIMITS,
        hostLists: { allow: ['*.example.com'], deny: ['bad.example.com'] },
        payeeLists: { allow: [PAYEE] },
      }
      expect(await purse.reserve(intentOf(1), budget)).toEqual({ ok: true })
      // The wildcard ends at a dot, and is not the domain itself.
      for (const host of ['example.com', 'evilexample.com', 'bad.example.com', 'api.example.com.evil'])
        expect(await purse.fits(intentOf(2, { host }), budget)).toMatchObject({ limit: 'host list' })
    })

    it('reserves nothing at a host that took money too often and did not serve, until time passes', async () => {
      const budget: Budget = { ...NO_LIMITS, breakers: { unserved: { max: 2, seconds: 60 } } }
      const first = await settled(1, { createdAtMs: START })
      await purse.recordServed(first.paymentHash, 'not_served', 500)
      expect(await purse.reserve(intentOf(2), budget)).toEqual({ ok: true })
      await purse.recordServed(intentOf(2).paymentHash, 'not_served', 402)
      const open = { ok: false, limit: 'unserved', limitMsat: 2n, wouldBeMsat: 2n }
      expect(await purse.reserve(intentOf(3), budget)).toEqual(open)
      expect(await purse.fits(intentOf(3, { host: 'other.example' }), budget)).toEqual({ ok: true })
      expect(await purse.fits(intentOf(3, { createdAtMs: START + 60_000 }), budget)).toEqual({ ok: true })
      // What is served in the end does not count.
      await purse.recordServed(first.paymentHash, 'redeemed', 200)
      expect(await purse.fits(intentOf(3), budget)).toEqual({ ok: true })
    })

    it('forgives a host what it did before', async () => {
      const budget: Budget = { ...NO_LIMITS, breakers: { unserved: { max: 1, seconds: 60 } } }
      await purse.recordServed((await settled(1)).paymentHash, 'not_served', 500)
      expect(await purse.fits(intentOf(2), budget)).toMatchObject({ limit: 'unserved' })
      bench.time += 10
      await purse.forgive('other.example')
      expect(await purse.fits(intentOf(2), budget)).toMatchObject({ limit: 'unserved' })
      await purse.forgive('api.example.com')
      expect(await purse.fits(intentOf(20), budget)).toEqual({ ok: true })
      await purse.recordServed((await settled(30)).paymentHash, 'not_served', 500)
      expect(await purse.fits(intentOf(40), budget)).toMatchObject({ limit: 'unserved' })
    })

    it('forgives nothing that is still to come, where the clock was put back since', async () => {
      const limits: Budget = { ...NO_LIMITS, breakers: { unserved: { max: 1, seconds: 3600 } } }
      bench.time = START + 86_400_000
      await purse.forgive(intentOf(1).host)
      bench.time = START
      expect(await purse.reserve(intentOf(1), limits)).toEqual({ ok: true })
      await purse.recordServed(intentOf(1).paymentHash, 'not_served', 500)
      expect(await purse.reserve(intentOf(2), limits)).toMatchObject({ ok: false, limit: 'unserved' })
    })

    it('takes credentials that were bought elsewhere, and none that lacks its proof', async () => {
      const { preimage, paymentHash } = proofOf(7)
      const credential: StoredCredential = {
        id: 'abcdefabcdefabcd',
        origin: 'https://api.example.com',
        macaroon: 'elsewhere',
        preimage,
        paymentHash,
        boughtFor: '',
        costMsat: 5n,
        createdAtMs: START,
        lastUsedAtMs: 0,
        rejectedFor: [],
      }
      expect(await purse.addCredential(credential)).toBe(true)
      await purse.rejectCredential(credential.id, 'there')
      expect(await purse.addCredential(credential)).toBe(false)
      expect(await purse.credentials('https://api.example.com')).toEqual([
        { ...credential, rejectedFor: ['there'] },
      ])
      const unproven = { ...credential, id: 'other', preimage: proofOf(8).preimage }
      await expect(purse.addCredential(unproven)).rejects.toMatchObject({ code: 'lightning_invalid' })
      expect((await purse.spent()).totalMsat).toBe(0n)
    })

    it("forgets a credential by its owner's word, and what it cost never", async () => {
      const { id } = await settled(1)
      await purse.rejectCredential(id, 'there')
      expect(await purse.forgetCredential(id)).toBe(true)
      expect(await purse.forgetCredential(id)).toBe(false)
      expect(await purse.credentials()).toEqual([])
      expect((await purse.spent()).totalMsat).toBe(10_005n)
    })

    it('remembers notes by subject and name', async () => {
      expect(await purse.note('https://a.example', 'key')).toBeUndefined()
      await purse.setNote('https://a.example', 'key', 'one')
      await purse.setNote('https://a.example', 'key', 'two')
      await purse.setNote('https://b.example', 'key', 'three')
      expect(await purse.note('https://a.example', 'key')).toBe('two')
      expect(await purse.note('https://a.example', 'other')).toBeUndefined()
    })

    it('does not take a host name for a property of every object', async () => {
      expect(await purse.fits(intentOf(1, { host: 'constructor' }), NO_LIMITS)).toEqual({ ok: true })
    })

    it('counts payments within a window, failed ones left out', async () => {
      const budget = overall({ count: { max: 1, seconds: 60 } })
      const hash = await reserved(1, { createdAtMs: START })
      const over = { ok: false, limit: 'count', limitMsat: 1n, wouldBeMsat: 2n }
      expect(await purse.fits(intentOf(2, { createdAtMs: START + 59_999 }), budget)).toEqual(over)
      expect(await purse.fits(intentOf(2, { createdAtMs: START + 60_000 }), budget)).toEqual({ ok: true })
      await purse.conclude(hash, { state: 'failed', detail: '' })
      expect(await purse.fits(intentOf(2, { createdAtMs: START + 1 }), budget)).toEqual({ ok: true })
    })

    it('never holds more than the limit when many ask at once', async () => {
      const budget = overall({ dayMsat: 55_000n })
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => purse.reserve(intentOf(n), budget)),
      )
      expect(answers.filter((answer) => answer.ok)).toHaveLength(5)
      expect((await purse.spent()).dayMsat).toBe(55_000n)
    })
  })
}
