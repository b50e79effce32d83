/** The part of the purses' contract that begins with a payment: its end, what it bought, quotes, sums, and locks. */

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
import { giveUp, isGivenUp, recoverWith } from '../../test/support/recover-with.ts'
import type { PaymentOutcome } from '../lightning/backend.ts'
import { credentialIdOf } from './lib/purse-rules.ts'
import type { PurseStore, StoredQuote } from './purse.ts'

/** See `purseContract`, which runs it. */
export function pursePayments(name: string, open: OpenPurse): void {
  describe(`${name} with payments`, () => {
    const bench = purseBench(open)
    const { reserved, settled } = bench
    let purse: PurseStore
    beforeEach(() => {
      purse = bench.purse
    })

    it('remembers who the wallet was, through all that becomes of the payment', async () => {
      const hash = await reserved(1, { walletId: 'at:abc' })
      await purse.beginPaying(hash)
      await purse.renew(hash, { nowMs: START + 1, orderEndsAtMs: START + 9, detail: '' }, NO_LIMITS)
      expect(await purse.openPayments()).toMatchObject([{ wallet: 'main', walletId: 'at:abc' }])
      await purse.conclude(hash, { state: 'failed', detail: '' })
      // Another wallet takes the failed one's place.
      await reserved(1, { walletId: 'own:def' })
      expect(await purse.payment(hash)).toMatchObject({ state: 'reserved', walletId: 'own:def' })
      const { walletId: _, ...untold } = intentOf(2)
      expect(await purse.reserve(untold, NO_LIMITS)).toEqual({ ok: true })
      expect(await purse.payment(untold.paymentHash)).not.toHaveProperty('walletId')
    })

    it.each([
      ['not_found', undefined],
      ['failed', undefined],
      ['paid_unproven', undefined],
      ['paid', 'settled'],
    ] as const)('leaves a payment open where another wallet under the name says %s', async (status, end) => {
      const hash = await reserved(1, { walletId: 'own:first' })
      await purse.beginPaying(hash)
      await purse.conclude(hash, { state: 'unknown', detail: '' })
      const { preimage } = proofOf(1)
      const says = { status, detail: '', preimage, feeMsat: 0n } as PaymentOutcome
      // Long after the order has ended.
      const now = () => START + 9_000_000
      const recover = (...ids: readonly string[]) => recoverWith({ purse, now, name: 'main', says, ids })
      const detail = end ? '' : expect.stringContaining('another one now')
      expect(await recover('own:second', 'at:there')).toMatchObject([{ state: end ?? 'unknown', detail }])
      expect((await purse.payment(hash))?.state).toBe(end ?? 'unknown')
      if (end) return
      // One that does not tell who it is may be any.
      expect(await recover()).toMatchObject([{ state: 'unknown' }])
      expect((await purse.spent()).totalMsat).toBe(11_000n)
      const own = status === 'not_found' ? 'failed' : status
      expect(await recover('at:there', 'own:first')).toMatchObject([{ state: own }])
    })

    it.each(['in_flight', 'unknown'] as const)(
      'counts one that is %s and was written off as spent for good, and never holds its invoice again',
      async (state) => {
        const hash = await reserved(1)
        await purse.beginPaying(hash)
        if (state === 'unknown') await purse.conclude(hash, { state, detail: 'no word' })
        expect(await giveUp(purse, hash)).toMatchObject({ state })
        bench.time += 400 * 86_400_000
        const [open, ...rest] = await purse.openPayments()
        expect([open, rest]).toEqual([expect.objectContaining({ state }), []])
        expect(await isGivenUp(purse, open)).toBe(true)
        expect((await purse.spent()).totalMsat).toBe(11_000n)
        await expect(purse.reserve(intentOf(1), NO_LIMITS)).rejects.toThrow(RangeError)
        expect(await purse.beginPaying(hash)).toBe(false)
      },
    )

    it.each([
      ['paid', 'settled', 10_002n],
      ['failed', 'failed', 0n],
      ['not_found', 'failed', 0n],
      ['paid_unproven', 'paid_unproven', 10_002n],
      ['unknown', 'unknown', 11_000n],
    ] as const)(
      'believes a wallet that says %s of one that was written off',
      async (status, state, spent) => {
        const hash = await reserved(1)
        await purse.beginPaying(hash)
        await giveUp(purse, hash)
        const says = { status, detail: '', preimage: proofOf(1).preimage, feeMsat: 2n } as PaymentOutcome
        const now = () => START + 9_000_000
        const own = { purse, now, name: 'main', ids: [`own:${PAYEE}`] }
        const writtenOff = state === 'unknown'
        expect(await recoverWith({ ...own, says })).toMatchObject([{ state, writtenOff }])
        expect((await purse.spent()).totalMsat).toBe(spent)
        if (state !== 'failed') return
        // The same invoice, tried anew, is another payment.
        await reserved(1, { createdAtMs: START + 2 })
        await purse.beginPaying(hash)
        const again = await purse.payment(hash)
        expect(await isGivenUp(purse, again)).toBe(false)
      },
    )

    it('writes off the attempt that is meant, and no later one with the same invoice', async () => {
      const hash = await reserved(1)
      await purse.beginPaying(hash)
      const [meant] = await purse.openPayments()
      if (!meant) throw new Error('nothing is open')
      await purse.conclude(hash, { state: 'failed', detail: '' })
      for (const change of [{ createdAtMs: START + 2 }, { createdAtMs: START + 3, scope: 'another' }]) {
        await reserved(1, change)
        await purse.beginPaying(hash)
        expect(await giveUp(purse, meant)).toBeUndefined()
        expect(await isGivenUp(purse, await purse.payment(hash))).toBe(false)
        await purse.conclude(hash, { state: 'failed', detail: '' })
      }
    })

    it('writes off nothing whose end is known, or that no wallet was asked for', async () => {
      expect(await giveUp(purse, proofOf(9).paymentHash)).toBeUndefined()
      expect(await giveUp(purse, await reserved(1))).toBeUndefined()
      const { paymentHash } = await settled(2)
      expect(await giveUp(purse, paymentHash)).toBeUndefined()
      const failed = await reserved(3)
      await purse.conclude(failed, { state: 'failed', detail: '' })
      expect(await giveUp(purse, failed)).toBeUndefined()
      for (const one of await purse.payments(9)) expect(await isGivenUp(purse, one)).toBe(false)
    })

    it('waits with writing off for whoever pays in its scope', async () => {
      const hash = await reserved(1)
      await purse.beginPaying(hash)
      let written: Promise<unknown> = Promise.resolve()
      await purse.withLock(`scope ${intentOf(1).scope}`, async () => {
        const brief = AbortSignal.timeout(50)
        await expect(giveUp(purse, hash, brief)).rejects.toThrow()
        written = giveUp(purse, hash)
        await purse.settle(hash, { preimage: proofOf(1).preimage, feeMsat: 0n })
      })
      expect(await written).toBeUndefined()
    })

    it('begins paying once', async () => {
      const hash = await reserved(1)
      expect(await purse.beginPaying(hash)).toBe(true)
      expect((await purse.payment(hash))?.state).toBe('in_flight')
      expect(await purse.beginPaying(hash)).toBe(false)
      await expect(purse.beginPaying(proofOf(9).paymentHash)).rejects.toThrow(RangeError)
    })

    it('puts the credential into the purse with the proof of payment', async () => {
      bench.time += 50
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

    it('settles what came into the purse from elsewhere meanwhile', async () => {
      const { macaroon, origin, scope } = intentOf(1)
      const { preimage, paymentHash } = proofOf(1)
      const id = credentialIdOf(macaroon, preimage)
      await purse.beginPaying(await reserved(1))
      const times = { createdAtMs: START, lastUsedAtMs: START }
      const elsewhere = { ...{ id, origin, macaroon, preimage, paymentHash }, ...times, rejectedFor: [] }
      expect(await purse.addCredential({ ...elsewhere, boughtFor: '', costMsat: 0n })).toBe(true)
      await purse.rejectCredential(id, 'elsewhere')
      const bought = { id, boughtFor: scope, costMsat: 10_000n, rejectedFor: [] }
      expect(await purse.settle(paymentHash, { preimage, feeMsat: 0n })).toMatchObject(bought)
      expect(await purse.payment(paymentHash)).toMatchObject({ state: 'settled' })
      expect(await purse.credentials()).toMatchObject([bought])
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
      bench.time += 1
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
      bench.time += 77
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
      bench.time += 60_000 + 86_400_000
      await purse.saveQuote({
        ...quote,
        id: 'ef01',
        bodyDigest: new Uint8Array(32),
        expiresAt: bench.time / 1000,
      })
      expect(await purse.quote('abcd')).toBeUndefined()
      expect((await purse.quote('ef01'))?.bodyDigest).toEqual(new Uint8Array(32))
    })

    it('sums what was spent over the stretches a budget knows', async () => {
      await purse.setBudget({ overall: { count: { max: 9, seconds: 10 } }, hosts: {} })
      await reserved(1, { createdAtMs: START })
      bench.time = START + 9_000
      expect(await purse.spent()).toEqual({
        hourMsat: 11_000n,
        dayMsat: 11_000n,
        totalMsat: 11_000n,
        count: 1,
      })
      bench.time = START + 3_600_000
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
