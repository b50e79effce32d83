/** `fare recover --write-off`: a payment is given up whose wallet is gone. */

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { encodeHex } from '@turnpike/l402'
import type { PaymentRecord, PurseStore } from '@turnpike/l402/client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { askAbout } from '../src/commands/write-off.ts'
import { type Buyer, newBuyer, type Ran } from './support/fare.ts'

const hashOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const idOf = (n: number): string => encodeHex(hashOf(n)).slice(0, 16)
const intentOf = (n: number): Parameters<PurseStore['reserve']>[0] => ({
  ...{ paymentHash: hashOf(n), wallet: 'gone', origin: 'https://api.example', host: 'api.example' },
  ...{ url: 'https://api.example/x', method: 'GET', bodyDigest: null, scope: 'https://api.example GET /x' },
  ...{ macaroon: 'AgEE', invoice: 'lnbcrt1', amountMsat: 10_000n, maxFeeMsat: 1_000n, payee: '02', task: '' },
  ...{ createdAtMs: Date.now(), expiresAt: 2_000_000_000 },
})

/** A user whose wallet, `gone`, was asked for these payments and answers nothing any more. */
async function waiting(...numbers: readonly number[]): Promise<Buyer> {
  const buyer = newBuyer('http://127.0.0.1:9')
  mkdirSync(buyer.home, { recursive: true, mode: 0o700 })
  const password = join(buyer.home, 'password')
  writeFileSync(password, 'secret', { mode: 0o600 })
  const added = await buyer.run(addOf(buyer))
  expect(added).toMatchObject({ code: 0, err: '' })
  await buyer.inPurse(async (purse) => {
    for (const n of numbers) {
      await purse.reserve(intentOf(n), await purse.budget())
      await purse.beginPaying(hashOf(n))
    }
  })
  return buyer
}

function addOf({ home }: Buyer, { name = 'gone', port = 9 } = {}): string[] {
  const where = ['--url', `http://127.0.0.1:${port}`, '--password-file', join(home, 'password')]
  return ['wallet', 'add', name, '--backend', 'phoenixd', ...where]
}

/** A node that says the same of everything; its port. */
async function nodeThatSays(json: object): Promise<number> {
  const node = createServer((_, response) =>
    response.setHeader('content-type', 'application/json').end(JSON.stringify(json)),
  )
  await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void node.close())
  return (node.address() as AddressInfo).port
}

function shown({ out }: Ran): { exitCode: number; recovered: readonly Record<string, unknown>[] } {
  return JSON.parse(out)
}

describe('fare recover --write-off', () => {
  it('gives one payment up: spent for good, told so, and in nobody’s way', async () => {
    const buyer = await waiting(1, 2)
    expect((await buyer.run(['recover'])).code).toBe(5)
    const ran = await buyer.run(['recover', '--write-off', idOf(1), '--yes', '--json'])
    expect(ran).toMatchObject({ code: 0, err: '' })
    expect(shown(ran)).toMatchObject({
      exitCode: 0,
      recovered: [{ paymentHash: encodeHex(hashOf(1)), state: 'unknown', writtenOff: true }],
    })
    // The other one is open as before.
    expect((await buyer.run(['recover'])).code).toBe(5)
    expect(await buyer.run(['wallet', 'remove', 'gone'])).toMatchObject({ code: 2 })
    expect((await buyer.run(['recover', '--write-off', idOf(2), '--yes'])).out).toMatch(/written off/)
    const looked = await buyer.run(['recover', '--json'])
    expect(looked.code).toBe(0)
    expect(shown(looked).recovered).toMatchObject([{ writtenOff: true }, { writtenOff: true }])
    expect((await buyer.run(['payments'])).out.match(/written off/g)).toHaveLength(2)
    const { payments } = JSON.parse((await buyer.run(['payments', '--json'])).out)
    expect(payments).toMatchObject([{ state: 'unknown', writtenOff: true, costMsat: '11000' }, {}])
    expect(await buyer.spentMsat()).toBe(22_000n)
    const listed = async (state: string) =>
      JSON.parse((await buyer.run(['payments', '--json', '--state', state])).out).payments
    expect(await listed('written_off')).toHaveLength(2)
    expect(await listed('open')).toEqual([])
    const [head, row] = (await buyer.run(['payments', '--csv'])).out.split(/\r?\n/)
    expect([head, row]).toEqual([expect.stringMatching(/,written_off$/), expect.stringMatching(/,true$/)])
    expect((await buyer.run(['wallet', 'remove', 'gone'])).code).toBe(0)
    // Another wallet of that name could say of these payments what it knows nothing about.
    expect(await buyer.run(addOf(buyer))).toMatchObject({
      code: 2,
      err: expect.stringContaining('2 payments'),
    })
  })

  it('looks first, and writes off nothing whose end can be found', async () => {
    const buyer = await waiting()
    await buyer.inPurse(async (purse) => {
      await purse.reserve(intentOf(3), await purse.budget())
    })
    const ran = await buyer.run(['recover', '--write-off', idOf(3), '--yes', '--json'])
    expect(shown(ran)).toMatchObject({ exitCode: 0, recovered: [{ state: 'failed', writtenOff: false }] })
    expect(await buyer.spentMsat()).toBe(0n)
  })

  it('asks the wallet that was to pay, also where another one is the usual one', async () => {
    const preimage = new Uint8Array(32).fill(7)
    const paymentHash = new Uint8Array(createHash('sha256').update(preimage).digest())
    const says = {
      chain: 'regtest',
      balanceSat: 1,
      nodeId: `02${'07'.repeat(32)}`,
      isPaid: true,
      preimage: encodeHex(preimage),
      fees: 1,
    }
    const port = await nodeThatSays(says)
    const buyer = await waiting()
    expect((await buyer.run(addOf(buyer, { name: 'own', port }))).code).toBe(0)
    await buyer.inPurse(async (purse) => {
      await purse.reserve({ ...intentOf(7), paymentHash, wallet: 'own' }, await purse.budget())
      await purse.beginPaying(paymentHash)
    })
    const id = encodeHex(paymentHash)
    const ran = await buyer.run(['recover', '--write-off', id, '--yes', '--json'])
    expect(shown(ran)).toMatchObject({
      exitCode: 0,
      recovered: [{ paymentHash: id, state: 'settled', writtenOff: false }],
    })
  })

  it('gives up one whose wallet answers, and is of no use any more', async () => {
    const port = await nodeThatSays({})
    const buyer = await waiting(8)
    expect((await buyer.run(addOf(buyer, { name: 'useless', port }))).code).toBe(0)
    await buyer.inPurse(async (purse) => {
      await purse.reserve({ ...intentOf(9), wallet: 'useless' }, await purse.budget())
      await purse.beginPaying(hashOf(9))
    })
    // It is no reason to say nothing of the other wallet's payments.
    const looked = await buyer.run(['recover', '--json'])
    expect(looked.code).toBe(5)
    const useless = { state: 'unknown', detail: expect.stringContaining('does not say which network') }
    expect(shown(looked).recovered).toEqual(
      expect.arrayContaining([expect.objectContaining({}), expect.objectContaining(useless)]),
    )
    expect((await buyer.run(['recover', '--write-off', idOf(9), '--yes'])).out).toMatch(/written off/)
  })

  it.each<[string[], RegExp, Record<string, string>?]>([
    [['--write-off', 'zz'], /expected at least 8 digits of a payment hash/],
    [['--write-off', '0404040'], /expected at least 8 digits/],
    [['--write-off', '09'.repeat(8), '--yes'], /no payment 0909090909090909 is open/],
    [['--yes'], /--yes goes with --write-off/],
    [['--write-off', '04'.repeat(8), '--yes', '--wallet', 'other'], /takes neither --wallet nor --sandbox/],
    [['--write-off', '04'.repeat(8), '--yes', '--sandbox'], /takes neither --wallet nor --sandbox/],
    [['--write-off', '04'.repeat(8), '--yes'], /does not go with FARE_GRANT_FILE/, { FARE_GRANT_FILE: '/x' }],
  ])('says what is wrong with %j, and changes nothing', async (args, says, env = {}) => {
    const buyer = await waiting(4)
    const ran = await buyer.run(['recover', ...args], { env })
    expect(ran).toMatchObject({ code: 2, out: '' })
    expect(ran.err).toMatch(says)
    expect((await buyer.run(['recover'])).code).toBe(5)
  })

  it('needs --yes where nobody can be asked', async () => {
    const buyer = await waiting(5)
    // A session of its own has no terminal, whoever runs the tests.
    const ran = await buyer.run(['recover', '--write-off', idOf(5)], { detached: true })
    expect(ran).toMatchObject({ code: 2, out: '', err: expect.stringContaining('--yes says so') })
    expect((await buyer.run(['recover'])).code).toBe(5)
  })
})

describe('the question at the terminal', () => {
  const payment = { ...intentOf(6), origin: 'https://api.example\u001b[2J' } as PaymentRecord

  it.each([
    ['yes', true],
    ['y', false],
    ['', false],
  ])('is answered by typing "%s": %s', async (typed, meant) => {
    const [input, output] = [new PassThrough(), new PassThrough()]
    input.end(`${typed}\n`)
    expect(await askAbout({ input, output }, payment)).toBe(meant)
    const text = String(output.read())
    for (const part of [encodeHex(hashOf(6)), '10 sat, and up to 1 sat of fees', 'gone', 'spent for good'])
      expect(text).toContain(part)
    expect(text).not.toContain('\u001b')
  })
})
