import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { intentOf, proofOf } from '../../test/support/purse-samples.ts'
import type { Budget, PurseStore } from './purse.ts'
import { memoryPurse } from './purse-memory/index.ts'
import { sqlitePurse } from './purse-sqlite/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'purse-model-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const PAYEE = '02'.repeat(33)

const budget: Budget = {
  overall: { hourMsat: 90_000n, totalMsat: 200_000n, count: { max: 9, seconds: 60 } },
  hosts: { 'b.example': { dayMsat: 40_000n } },
  payees: { [PAYEE]: { hourMsat: 45_000n } },
  tasks: { nightly: { totalMsat: 50_000n } },
  hostLists: { deny: ['c.example'] },
  breakers: { unserved: { max: 2, seconds: 3_600 } },
}

const payment = fc.nat(11)
const step = fc.oneof(
  fc.record({
    do: fc.constant('reserve' as const),
    n: payment,
    amountMsat: fc.bigInt(1n, 30_000n),
    host: fc.constantFrom('a.example', 'b.example', 'c.example'),
    payee: fc.constantFrom(PAYEE, '03'.repeat(33)),
    task: fc.constantFrom('', 'nightly'),
    scope: fc.constantFrom('one', 'two'),
  }),
  fc.record({
    do: fc.constantFrom(...(['begin', 'settle', 'serve', 'start', 'keep', 'renew'] as const)),
    n: payment,
  }),
  fc.record({ do: fc.constant('forgive' as const), host: fc.constantFrom('a.example', 'b.example') }),
  fc.record({
    do: fc.constant('conclude' as const),
    n: payment,
    state: fc.constantFrom('failed' as const, 'unknown' as const, 'paid_unproven' as const),
  }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 59_000, 3_599_000, 86_399_000) }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Does one step; what it came to, faults by their name. */
async function take(purse: PurseStore, one: Step, now: number): Promise<unknown> {
  try {
    switch (one.do) {
      case 'reserve': {
        const { do: _, n, ...change } = one
        return await purse.reserve(intentOf(n, { ...change, createdAtMs: now }), budget)
      }
      case 'begin':
        return await purse.beginPaying(proofOf(one.n).paymentHash)
      case 'settle':
        return await purse.settle(proofOf(one.n).paymentHash, {
          preimage: proofOf(one.n).preimage,
          feeMsat: 77n,
        })
      case 'serve':
        return await purse.recordServed(proofOf(one.n).paymentHash, 'redeemed', 200)
      case 'start':
        return await purse.recordServed(proofOf(one.n).paymentHash, 'unserved', 200)
      case 'renew': {
        const order = { nowMs: now, orderEndsAtMs: now + 9, detail: 'again' }
        return await purse.renew(proofOf(one.n).paymentHash, order, budget)
      }
      case 'keep':
        return await purse.recordServed(proofOf(one.n).paymentHash, 'not_served', 500)
      case 'forgive':
        return await purse.forgive(one.host)
      case 'conclude':
        return await purse.conclude(proofOf(one.n).paymentHash, {
          state: one.state,
          feeMsat: 5n,
          detail: 'x',
        })
      default:
        return undefined
    }
  } catch (error) {
    return (error as Error).name
  }
}

const books = async (purse: PurseStore): Promise<unknown> => [
  await purse.payments(99),
  await purse.openPayments(),
  await purse.openPayments('one'),
  await purse.credentials(),
  await purse.spent(),
  await purse.spent('b.example'),
  await purse.spent({ payee: PAYEE }),
  await purse.spent({ task: 'nightly' }),
  await purse.fits({ ...intentOf(99), host: 'a.example', createdAtMs: 2 ** 42 }, budget),
]

describe('every purse', () => {
  it('keeps the same books, and never lets reserving break a limit', async () => {
    let files = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        let time = Date.UTC(2026, 0, 1)
        const now = () => time
        const memory = memoryPurse({ now, budget })
        const sqlite = sqlitePurse({ file: join(folder, `${files++}.db`), now })
        await sqlite.setBudget(budget)
        for (const one of steps) {
          // Time never stands still, so that newest and oldest are told alike.
          time += one.do === 'wait' ? one.ms : 1
          const result = await take(memory, one, time)
          expect(await take(sqlite, one, time)).toEqual(result)
          if (one.do === 'reserve' && (result as { ok?: boolean }).ok) {
            const spent = await memory.spent()
            expect(spent.hourMsat).toBeLessThanOrEqual(90_000n)
            expect(spent.totalMsat).toBeLessThanOrEqual(200_000n)
            expect(spent.count).toBeLessThanOrEqual(9)
            if (one.host === 'b.example')
              expect((await memory.spent('b.example')).dayMsat).toBeLessThanOrEqual(40_000n)
            expect((await memory.spent({ payee: PAYEE })).hourMsat).toBeLessThanOrEqual(45_000n)
            expect((await memory.spent({ task: 'nightly' })).totalMsat).toBeLessThanOrEqual(50_000n)
            expect(one.host).not.toBe('c.example')
          }
        }
        expect(await books(sqlite)).toEqual(await books(memory))
        await sqlite.close()
      }),
      { numRuns: 40 },
    )
  })
})
