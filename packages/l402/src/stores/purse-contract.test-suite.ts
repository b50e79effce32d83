/** What every purse must hold to. Each implementation's test file runs it. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sha256 } from '../core/hash.ts'
import {
  type Budget,
  type BudgetLimits,
  DEFAULT_BUDGET,
  type PaymentIntent,
  type PurseStore,
  type StoredCredential,
  type StoredQuote,
} from './purse.ts'

/** A budget that forbids nothing. */
export const NO_LIMITS: Budget = { overall: {}, hosts: {} }
const START = Date.UTC(2026, 0, 1)
const PAYEE = '02'.repeat(33)
const OTHER_PAYEE = '03'.repeat(33)

/** A preimage that stands for `n`, and its payment hash. */
export function proofOf(n: number): { preimage: Uint8Array; paymentHash: Uint8Array } {
  const preimage = new Uint8Array(32)
  new DataView(preimage.buffer).setUint32(0, n)
  // Plain bytes: Node's hasher answers with a Buffer.
  return { preimage, paymentHash: new Uint8Array(sha256(preimage)) }
}

/** An intent for payment `n`. */
export function intentOf(n: number, change: Partial<PaymentIntent> = {}): PaymentIntent {
  return {
    paymentHash: proofOf(n).paymentHash,
    origin: 'https://api.example.com',
    host: 'api.example.com',
    method: 'POST',
    url: 'https://api.example.com/query?x=1',
    bodyDigest: new Uint8Array(sha256(new Uint8Array([n]))),
    scope: 'https://api.example.com POST /query',
    macaroon: `macaroon-${n}`,
    invoice: `lnbcrt-${n}`,
    amountMsat: 10_000n,
    maxFeeMsat: 1_000n,
    payee: PAYEE,
    createdAtMs: START + n,
    expiresAt: START / 1000 + 600,
    wallet: 'main',
    task: '',
    orderEndsAtMs: START + n + 60_000,
    ...change,
  }
}

/** Runs the contract against purses that `open` makes, each new and empty. */
export function purseContract(name: string, open: (now: () => number) => Promise<PurseStore>): void {
  describe(`${name} as a purse`, () => {
    let purse: PurseStore
    let time = START

    beforeEach(async () => {
      time = START
      purse = await open(() => time)
    })
    afterEach(() => purse.close())

    const overall = (limits: BudgetLimits): Budget => ({ overall: limits, hosts: {} })
    const reserved = async (n: number, change: Partial<PaymentIntent> = {}): Promise<Uint8Array> => {
      const intent = intentOf(n, change)
      expect(await purse.reserve(intent, NO_LIMITS)).toEqual({ ok: true })
      return intent.paymentHash
    }
    const settled = async (n: number, change: Partial<PaymentIntent> = {}, feeMsat = 5n) => {
      const hash = await reserved(n, change)
      await purse.beginPaying(hash)
      return purse.settle(hash, { preimage: proofOf(n).preimage, feeMsat })
    }

    it('keeps when an order is over, also of one that is given again, and never of what is certain', async () => {
      const hash = await reserved(1)
      await purse.beginPaying(hash)
      expect((await purse.payment(hash))?.orderEndsAtMs).toBe(START + 60_001)
      for (const orderEndsAtMs of [START + 70_000, START + 80_000]) {
        await purse.conclude(hash, { state: 'unknown', detail: '', orderEndsAtMs })
        expect(await purse.payment(hash)).toMatchObject({ state: 'unknown', orderEndsAtMs })
      }
      await purse.conclude(hash, { state: 'failed', detail: 'no route' })
      await purse.conclude(hash, { state: 'unknown', detail: '', orderEndsAtMs: START + 90_000 })
      expect(await purse.payment(hash)).toMatchObject({ state: 'failed', orderEndsAtMs: START + 80_000 })
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
      time += 10
      await purse.forgive('other.example')
      expect(await purse.fits(intentOf(2), budget)).toMatchObject({ limit: 'unserved' })
      await purse.forgive('api.example.com')
      expect(await purse.fits(intentOf(20), budget)).toEqual({ ok: true })
      await purse.recordServed((await settled(30)).paymentHash, 'not_served', 500)
      expect(await purse.fits(intentOf(40), budget)).toMatchObject({ limit: 'unserved' })
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

    it('begins paying once', async () => {
      const hash = await reserved(1)
      expect(await purse.beginPaying(hash)).toBe(true)
      expect((await purse.payment(hash))?.state).toBe('in_flight')
      expect(await purse.beginPaying(hash)).toBe(false)
      await expect(purse.beginPaying(proofOf(9).paymentHash)).rejects.toThrow(RangeError)
    })

    it('puts the credential into the purse with the proof of payment', async () => {
      time += 50
      const credential = await settled(1)
      expect(credential).toEqual({
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        origin: 'https://api.example.com',
        macaroon: 'macaroon-1',
        preimage: proofOf(1).preimage,
        paymentHash: proofOf(1).paymentHash,
        boughtFor: 'https://api.example.com POST /query',
        costMsat: 10_005n,
        createdAtMs: START + 50,
        lastUsedAtMs: 0,
        rejectedFor: [],
      })
      expect(await purse.credentials('https://api.example.com')).toEqual([credential])
      expect(await purse.payment(proofOf(1).paymentHash)).toMatchObject({
        state: 'settled',
        preimage: proofOf(1).preimage,
        feeMsat: 5n,
      })
      expect((await purse.spent()).totalMsat).toBe(10_005n)
    })

    it('settles the same again as if once', async () => {
      const credential = await settled(1)
      await purse.rejectCredential(credential.id, 'there')
      const again = await purse.settle(credential.paymentHash, {
        preimage: credential.preimage,
        feeMsat: 900n,
      })
      expect(again).toEqual({ ...credential, rejectedFor: ['there'] })
      expect((await purse.spent()).totalMsat).toBe(10_005n)
    })

    it('takes no preimage that does not prove the payment (C4)', async () => {
      const hash = await reserved(1)
      await purse.beginPaying(hash)
      for (const preimage of [proofOf(2).preimage, new Uint8Array(31), proofOf(1).paymentHash]) {
        await expect(purse.settle(hash, { preimage, feeMsat: 0n })).rejects.toMatchObject({
          code: 'lightning_invalid',
        })
      }
      expect((await purse.payment(hash))?.state).toBe('in_flight')
      expect(await purse.credentials()).toEqual([])
    })

    it('frees the budget for a failed payment only', async () => {
      const [failed, unknown, unproven] = [await reserved(1), await reserved(2), await reserved(3)]
      await purse.conclude(failed, { state: 'failed', detail: 'no route' })
      await purse.conclude(unknown, { state: 'unknown', detail: 'time-out' })
      await purse.conclude(unproven, { state: 'paid_unproven', feeMsat: 7n, detail: 'no preimage' })
      expect((await purse.spent()).totalMsat).toBe(11_000n + 10_007n)
      expect(await purse.payment(unknown)).toMatchObject({ state: 'unknown', detail: 'time-out' })
    })

    it('lets proof of payment win over every other end, and nothing undo it', async () => {
      const late = await reserved(1)
      await purse.conclude(late, { state: 'failed', detail: '' })
      await purse.settle(late, { preimage: proofOf(1).preimage, feeMsat: 0n })
      for (const state of ['failed', 'unknown', 'paid_unproven'] as const) {
        await purse.conclude(late, { state, detail: '' })
        expect((await purse.payment(late))?.state).toBe('settled')
      }
      const unproven = await reserved(2)
      await purse.conclude(unproven, { state: 'paid_unproven', detail: '' })
      await purse.conclude(unproven, { state: 'failed', detail: '' })
      expect((await purse.payment(unproven))?.state).toBe('paid_unproven')
    })

    it('lists open payments oldest first, of one scope or all', async () => {
      await settled(1)
      const second = await reserved(3)
      const first = await reserved(2)
      await purse.beginPaying(first)
      await purse.conclude(second, { state: 'unknown', detail: '' })
      await reserved(4, { scope: 'elsewhere' })
      await purse.conclude(await reserved(5), { state: 'failed', detail: '' })
      const hashes = async (scope?: string) =>
        (await purse.openPayments(scope)).map((record) => record.macaroon)
      expect(await hashes()).toEqual(['macaroon-2', 'macaroon-3', 'macaroon-4'])
      expect(await hashes('elsewhere')).toEqual(['macaroon-4'])
      expect(await hashes('nowhere')).toEqual([])
    })

    it('lists payments newest first', async () => {
      await reserved(1)
      await reserved(2, { scope: 'elsewhere' })
      await reserved(3, { createdAtMs: START })
      const macaroons = async (limit: number, scope?: string) =>
        (await purse.payments(limit, scope)).map((record) => record.macaroon)
      expect(await macaroons(10)).toEqual(['macaroon-2', 'macaroon-1', 'macaroon-3'])
      expect(await macaroons(1)).toEqual(['macaroon-2'])
      expect(await macaroons(10, 'elsewhere')).toEqual(['macaroon-2'])
    })

    it('remembers what the server did, and that it once served', async () => {
      const { paymentHash } = await settled(1)
      await purse.recordServed(paymentHash, 'not_served', 503)
      expect(await purse.payment(paymentHash)).toMatchObject({ served: 'not_served', lastStatus: 503 })
      await purse.recordServed(paymentHash, 'redeemed', 200)
      await purse.recordServed(paymentHash, 'not_served', 402)
      expect(await purse.payment(paymentHash)).toMatchObject({ served: 'redeemed', lastStatus: 402 })
    })

    it('keeps credentials per origin, newest first', async () => {
      await settled(1)
      time += 1
      await settled(2)
      await settled(3, { origin: 'https://api.example.com:8443' })
      const macaroons = async (origin?: string) =>
        (await purse.credentials(origin)).map((credential) => credential.macaroon)
      expect(await macaroons('https://api.example.com')).toEqual(['macaroon-2', 'macaroon-1'])
      expect(await macaroons('http://api.example.com')).toEqual([])
      expect(await macaroons()).toHaveLength(3)
    })

    it('marks a credential as rejected for a scope and deletes nothing (C9)', async () => {
      const { id } = await settled(1)
      await purse.rejectCredential(id, 'one')
      await purse.rejectCredential(id, 'two')
      await purse.rejectCredential(id, 'one')
      await purse.rejectCredential('nobody', 'one')
      const [held] = await purse.credentials()
      expect([...(held?.rejectedFor ?? [])].sort()).toEqual(['one', 'two'])
    })

    it('forgets a credential by its owner’s word, rejections and all, and can be given it again', async () => {
      const credential = await settled(1)
      await purse.rejectCredential(credential.id, 'there')
      expect(await purse.forgetCredential('nobody')).toBe(false)
      expect(await purse.forgetCredential(credential.id)).toBe(true)
      expect(await purse.forgetCredential(credential.id)).toBe(false)
      expect(await purse.credentials()).toEqual([])
      expect((await purse.payments(1))[0]?.state).toBe('settled')
      expect(await purse.addCredential(credential)).toBe(true)
      expect(await purse.addCredential(credential)).toBe(false)
      expect(await purse.credentials()).toMatchObject([{ id: credential.id, rejectedFor: [] }])
      await expect(
        purse.addCredential({ ...credential, id: 'other', preimage: new Uint8Array(32) }),
      ).rejects.toThrow(/preimage/)
    })

    it('remembers when a credential was used last', async () => {
      const { id } = await settled(1)
      time += 77
      await purse.touchCredential(id)
      expect((await purse.credentials())[0]?.lastUsedAtMs).toBe(START + 77)
    })

    it('keeps quotes until a day after their end', async () => {
      const quote: StoredQuote = {
        id: 'abcd',
        requestUrl: 'https://api.example.com/',
        origin: 'https://api.example.com',
        host: 'api.example.com',
        method: 'GET',
        url: 'https://api.example.com/x',
        bodyDigest: null,
        macaroon: 'm',
        invoice: 'i',
        createdAtMs: START,
        expiresAt: START / 1000 + 60,
      }
      await purse.saveQuote(quote)
      expect(await purse.quote('abcd')).toEqual(quote)
      expect(await purse.quote('ef01')).toBeUndefined()
      time += 60_000 + 86_400_000
      await purse.saveQuote({ ...quote, id: 'ef01', bodyDigest: new Uint8Array(32), expiresAt: time / 1000 })
      expect(await purse.quote('abcd')).toBeUndefined()
      expect((await purse.quote('ef01'))?.bodyDigest).toEqual(new Uint8Array(32))
    })

    it('sums what was spent over the stretches a budget knows', async () => {
      await purse.setBudget({ overall: { count: { max: 9, seconds: 10 } }, hosts: {} })
      await reserved(1, { createdAtMs: START })
      time = START + 9_000
      expect(await purse.spent()).toEqual({
        hourMsat: 11_000n,
        dayMsat: 11_000n,
        totalMsat: 11_000n,
        count: 1,
      })
      time = START + 3_600_000
      expect(await purse.spent()).toEqual({ hourMsat: 0n, dayMsat: 11_000n, totalMsat: 11_000n, count: 0 })
      expect((await purse.spent('nobody.example')).totalMsat).toBe(0n)
    })

    it('runs tasks of one lock one after the other, in order, and answers with their results', async () => {
      const log: string[] = []
      const task = (name: string) => async () => {
        log.push(`${name} in`)
        await new Promise((resolve) => setImmediate(resolve))
        log.push(`${name} out`)
        return name
      }
      const results = await Promise.all(['a', 'b', 'c'].map((name) => purse.withLock('scope', task(name))))
      expect(results).toEqual(['a', 'b', 'c'])
      expect(log).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out'])
    })

    it('does not make other locks wait', async () => {
      await purse.withLock('one', () => purse.withLock('two', async () => {}))
    })

    it('frees a lock when its task throws', async () => {
      const broken = purse.withLock('scope', async () => {
        throw new Error('broken')
      })
      await expect(broken).rejects.toThrow('broken')
      expect(await purse.withLock('scope', async () => 'next')).toBe('next')
    })

    it('stops waiting for a lock when told to, and lets those behind wait on', async () => {
      let leave: () => void = () => {}
      const held = purse.withLock('scope', () => new Promise<void>((resolve) => (leave = resolve)))
      const abort = new AbortController()
      const waiting = purse.withLock('scope', async () => 'never', abort.signal)
      const behind = purse.withLock('scope', async () => 'behind')
      abort.abort(new Error('enough'))
      await expect(waiting).rejects.toThrow('enough')
      leave()
      await held
      expect(await behind).toBe('behind')
      const late = purse.withLock('scope', async () => 'never', abort.signal)
      await expect(late).rejects.toThrow('enough')
    })
  })
}
