/**
 * Sixteen processes buy on one purse and are killed at random: `npm run lab -- purse-crowd --requests 100 --kills 160
 * --seed 7`. `--requests` is the number of purchases of each process.
 */
import { join } from 'node:path'
import { decodeUnverifiedInvoice, encodeHex } from '@turnpike/l402'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { newBuyer } from '../packages/fare/test/support/fare.ts'
import { isShort, numberOf } from './lib/flags.ts'
import { runCrowd } from './lib/purse/crowd.ts'
import { demand, headerOf, openScene, type Scene } from './lib/purse/scene.ts'
import { type Spendthrift, startSpendthrift } from './lib/purse/wallet.ts'
import { seededRandom } from './lib/random.ts'

const PROCESSES = 16
const PRICE_MSAT = 10_000n
const purchases = numberOf('LAB_REQUESTS', isShort ? 20 : 100)
const kills = numberOf('LAB_KILLS', isShort ? 40 : 160)
const seed = numberOf('LAB_SEED', 1 + Math.floor(Math.random() * 1e8))
const all = PROCESSES * purchases
/** Not enough for all of them by a tenth, and no multiple of the price. */
const limitMsat = (BigInt(all) * PRICE_MSAT * 9n) / 10n + 999n

let wallet: Spendthrift
let scene: Scene
/** Path by the payment hash of what was sold for it, and the macaroon's path. */
const soldBy = new Map<string, string>()
const pathOf = new Map<string, string>()

beforeAll(async () => {
  wallet = await startSpendthrift()
  scene = await openScene(wallet, {
    http: (asked, response, here) => {
      const [, macaroon = ''] = /^\S+ ([^:]+):/.exec(asked.headers.authorization ?? '') ?? []
      if (pathOf.get(macaroon) === asked.target) return response.end('sunny')
      const challenge = here.challenge({ amountMsat: PRICE_MSAT })
      pathOf.set(challenge.macaroon, asked.target)
      soldBy.set(encodeHex(decodeUnverifiedInvoice(challenge.invoice).paymentHash), asked.target)
      return demand(response, headerOf(challenge))
    },
  })
})
afterAll(async () => {
  await scene.close()
  await wallet.close()
})

it(`buys ${all} things in ${PROCESSES} processes under SIGKILL, each paid once and none beyond the budget, --seed ${seed}`, {
  timeout: 1_200_000,
}, async () => {
  const random = seededRandom(seed)
  wallet.manner = () => ({
    delayMs: random.below(25),
    ends: random.oneIn(12) ? 'lost' : random.oneIn(25) ? 'failed' : 'paid',
  })
  const buyer = newBuyer(wallet.url)
  const budget = {
    overall: { totalMsat: limitMsat, hourMsat: limitMsat, count: { max: all, seconds: 86_400 } },
    hosts: { '127.0.0.1': { dayMsat: limitMsat } },
  }
  await buyer.inPurse((purse) => purse.setBudget(budget))
  const open = async (): Promise<number> =>
    await buyer.inPurse(async (purse) => (await purse.openPayments()).length)
  const recovered: number[] = []
  const recover = async (): Promise<void> => {
    const before = await open()
    // What the wallet was never asked for is certain only once its time is up.
    await vi.waitFor(
      async () => {
        await buyer.run(['--sandbox', 'recover', '--json'], { env: { FARE_PAYMENT_TIMEOUT: '1s' } })
        expect(await open()).toBe(0)
      },
      { timeout: 20_000, interval: 200 },
    )
    recovered.push(before)
  }

  const counts = await runCrowd({
    file: join(buyer.home, 'purse.db'),
    server: scene.main,
    wallet: wallet.url,
    processes: PROCESSES,
    purchases,
    kills,
    random,
    halfway: recover,
  })
  await recover()

  const paidFor = wallet.ledger.map(({ paymentHash }) => soldBy.get(paymentHash))
  const books = await buyer.inPurse(async (purse) => ({
    spentMsat: (await purse.spent()).totalMsat,
    settled: (await purse.payments(all * 2)).filter(({ state }) => state === 'settled').length,
  }))
  const again = [...counts.again].map(([kind, times]) => `${kind} ${times}`).join(', ')
  console.log(
    `${counts.kills} kills; ${counts.served} served, ${counts.refused} refused by the budget; tried again: ${again || 'none'}`,
  )
  console.log(
    `${wallet.ledger.length} payments for ${new Set(paidFor).size} purchases; ${wallet.spentMsat} msat of ${limitMsat} left the wallet, ${books.spentMsat} on the books`,
  )
  console.log(`open payments found and finished by fare recover: ${recovered.join(' halfway, ')} at the end`)

  expect(counts.served + counts.refused).toBe(all)
  expect(counts.kills).toBeGreaterThanOrEqual(PROCESSES)
  // One payment per purchase.
  expect(new Set(paidFor).size).toBe(wallet.ledger.length)
  expect(paidFor).not.toContain(undefined)
  // The ledger only grows: its end is its highest.
  expect(wallet.spentMsat).toBeLessThanOrEqual(limitMsat)
  expect(counts.refused).toBeGreaterThan(0)
  // The books and the wallet agree to the millisatoshi.
  expect(books.spentMsat).toBe(wallet.spentMsat)
  expect(books.settled).toBe(wallet.ledger.length)
})
