/**
 * A hostile server against the purse: `npm run lab -- purse-hostile`. Each attack is run at `payingFetch` and, where they
 * can be told it, at the real `fare get` and at the tool `fetch` of `fare mcp`, with a wallet that pays whatever it is
 * asked to. What left the wallet is compared with what policy allows and with what the purse has on its books, and nothing
 * that a face says may hold a macaroon or a preimage.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isShort } from './lib/flags.ts'
import type { Attack } from './lib/purse/attack.ts'
import { afterAttacks } from './lib/purse/attacks-after.ts'
import { httpAttacks } from './lib/purse/attacks-http.ts'
import { invoiceAttacks } from './lib/purse/attacks-invoice.ts'
import { lieAttacks } from './lib/purse/attacks-lies.ts'
import { redirectAttacks } from './lib/purse/attacks-redirect.ts'
import { closeFaces, type Endured, endureFare, endureFetch } from './lib/purse/faces.ts'
import { argumentsOf, endureMcp } from './lib/purse/mcp-face.ts'
import { openScene, type Scene } from './lib/purse/scene.ts'
import { type Spendthrift, startSpendthrift } from './lib/purse/wallet.ts'

const attacks = [...invoiceAttacks, ...redirectAttacks, ...afterAttacks, ...httpAttacks, ...lieAttacks]
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
  face: 'fetch' | 'fare' | 'mcp',
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

/** The gate's short run shares the attacks between the two programs; both have one gate behind them. */
const turn = (which: 0 | 1) => (_: Attack, i: number) => !isShort || i % 2 === which

describe('fare get and a server that', () => {
  const sayable = attacks.filter(({ flags }) => flags !== null).filter(turn(0))
  it.each(sayable.map((attack) => [attack.name, attack] as const))('%s', async (_, attack) => {
    await endure(attack, 'fare', endureFare)
  })
})

describe('the tool fetch and a server that', () => {
  const sayable = attacks.filter((attack) => argumentsOf(attack) !== null).filter(turn(1))
  it.each(sayable.map((attack) => [attack.name, attack] as const))('%s', async (_, attack) => {
    await endure(attack, 'mcp', endureMcp)
  })
})

describe('the attacks', () => {
  it('are eighty at least, each with a name of its own', () => {
    expect(attacks.length).toBeGreaterThanOrEqual(80)
    expect(new Set(attacks.map(({ name }) => name)).size).toBe(attacks.length)
  })
})
