/**
 * A hostile server against the purse: `npm run lab -- purse-hostile`. Each attack is run at `payingFetch` and, where its
 * command line can say it, at the real `fare get`, with a wallet that pays whatever it is asked to. What left the wallet
 * is compared with what policy allows and with what the purse has on its books.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Attack } from './lib/purse/attack.ts'
import { afterAttacks } from './lib/purse/attacks-after.ts'
import { httpAttacks } from './lib/purse/attacks-http.ts'
import { invoiceAttacks } from './lib/purse/attacks-invoice.ts'
import { redirectAttacks } from './lib/purse/attacks-redirect.ts'
import { closeFaces, type Endured, endureFare, endureFetch } from './lib/purse/faces.ts'
import { openScene, type Scene } from './lib/purse/scene.ts'
import { type Spendthrift, startSpendthrift } from './lib/purse/wallet.ts'

const attacks = [...invoiceAttacks, ...redirectAttacks, ...afterAttacks, ...httpAttacks]
const lines: string[] = []
let lostMsat = 0n
let runs = 0
let wallet: Spendthrift

beforeAll(async () => {
  wallet = await startSpendthrift()
})
beforeEach(() => wallet.reset())
afterAll(async () => {
  await wallet.close()
  await closeFaces()
  console.log(lines.sort().join('\n'))
  console.log(`\n${attacks.length} attacks, ${runs} runs: ${lostMsat} msat lost beyond policy`)
})

async function endure(
  attack: Attack,
  face: 'fetch' | 'fare',
  run: (attack: Attack, scene: Scene) => Promise<Endured>,
): Promise<void> {
  wallet.ends = attack.wallet ?? 'paid'
  const scene = await openScene(wallet, { http: attack.http, raw: attack.raw })
  try {
    const { ends, bookedMsat } = await run(attack, scene)
    const allowedMsat = attack.allowedMsat ?? 0n
    const beyondMsat = wallet.spentMsat > allowedMsat ? wallet.spentMsat - allowedMsat : 0n
    lostMsat += beyondMsat
    runs++
    const money = `${wallet.spentMsat} msat paid, ${beyondMsat} beyond policy`
    const shown = [...new Set(ends)].join(', ')
    lines.push(
      `a server that ${attack.name} | ${face} | ${shown} | ${scene.asked.length} requests | ${money}`,
    )
    expect(beyondMsat).toBe(0n)
    // No payment is made twice, whatever it is for.
    expect(new Set(wallet.ledger.map(({ paymentHash }) => paymentHash)).size).toBe(wallet.ledger.length)
    // Nothing leaves the wallet that is not on the books.
    expect(bookedMsat).toBeGreaterThanOrEqual(wallet.spentMsat)
    ends.forEach((end, i) => {
      const expected = attack.ends[i]
      if (expected instanceof RegExp) expect(end).toMatch(expected)
      else expect(end).toBe(expected)
    })
  } finally {
    await scene.close()
  }
}

describe('payingFetch and a server that', () => {
  it.each(attacks.map((attack) => [attack.name, attack] as const))('%s', async (_, attack) => {
    await endure(attack, 'fetch', endureFetch)
  })
})

describe('fare get and a server that', () => {
  const sayable = attacks.filter(({ flags }) => flags !== null)
  it.each(sayable.map((attack) => [attack.name, attack] as const))('%s', async (_, attack) => {
    await endure(attack, 'fare', endureFare)
  })
})

describe('the attacks', () => {
  it('are eighty at least, each with a name of its own', () => {
    expect(attacks.length).toBeGreaterThanOrEqual(80)
    expect(new Set(attacks.map(({ name }) => name)).size).toBe(attacks.length)
  })
})
