import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Buyer, newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

async function boughtSomething(): Promise<Buyer> {
  const buyer = newBuyer(gateway.admin)
  expect((await buyer.fare(`${gateway.url}/forecast/x?key=hidden`)).code).toBe(0)
  return buyer
}

describe('the purse', () => {
  it('is for its owner alone: files 0600, folders 0700 (C10)', async () => {
    const { home } = await boughtSomething()
    const entries = readdirSync(home, { recursive: true, withFileTypes: true })
    expect(entries.length).toBeGreaterThan(1)
    for (const entry of entries) {
      const { mode } = statSync(join(entry.parentPath, entry.name))
      expect([entry.name, mode & 0o777]).toEqual([entry.name, entry.isDirectory() ? 0o700 : 0o600])
    }
    expect(statSync(home).mode & 0o777).toBe(0o700)
  })

  it('is made private again when it was not', async () => {
    const buyer = await boughtSomething()
    chmodSync(join(buyer.home, 'purse.db'), 0o644)
    await buyer.fare('tokens', 'list')
    expect(statSync(join(buyer.home, 'purse.db')).mode & 0o777).toBe(0o600)
  })

  it('stands where XDG_DATA_HOME says when FARE_HOME does not', async () => {
    const buyer = newBuyer(gateway.admin)
    const env = { FARE_HOME: '', XDG_DATA_HOME: buyer.home }
    expect((await buyer.run(['tokens', 'list'], { env })).code).toBe(0)
    expect(statSync(join(buyer.home, 'fare', 'purse.db')).isFile()).toBe(true)
  })

  it.each<[string, (file: string) => void, RegExp]>([
    ['damaged', (file) => writeFileSync(file, readFileSync(file).fill(7, 100, 3000)), /damaged|not a purse/],
    ['no database', (file) => writeFileSync(file, 'a shopping list'), /not a purse/],
    [
      'another program’s',
      (file) => {
        rmSync(file)
        const db = new DatabaseSync(file)
        db.exec('CREATE TABLE recipes (name TEXT)')
        db.close()
      },
      /another program/,
    ],
    [
      'newer',
      (file) => {
        const db = new DatabaseSync(file)
        db.exec('PRAGMA user_version = 99')
        db.close()
      },
      /version 99.*newer program/,
    ],
    [
      'a folder',
      (file) => {
        rmSync(file)
        mkdirSync(file)
      },
      /purse\.db/,
    ],
  ])('that is %s is a clear error and left as it is', async (_, spoil, says) => {
    const buyer = await boughtSomething()
    const file = join(buyer.home, 'purse.db')
    spoil(file)
    const before = await gateway.balanceMsat()
    for (const args of [['get', `${gateway.url}/forecast/x`], ['payments'], ['budget', 'show']]) {
      const { code, out, err } = await buyer.fare(...args)
      expect({ code, out }).toEqual({ code: 1, out: '' })
      expect(err).toMatch(says)
      expect(err).not.toMatch(/\n {4}at /)
    }
    expect(JSON.parse((await buyer.fare('--json', gateway.url)).out)).toMatchObject({
      ok: false,
      exitCode: 1,
    })
    expect(await gateway.balanceMsat()).toBe(before)
  })

  it('that cannot be made is a clear error', async () => {
    const buyer = newBuyer(gateway.admin)
    for (const home of ['/dev/null/fare', '/proc/fare']) {
      const ran = await buyer.run(['--sandbox', `${gateway.url}/forecast/x`], { env: { FARE_HOME: home } })
      expect(ran).toMatchObject({ code: 1, out: '', err: expect.stringContaining(dirname(home)) })
    }
  })
})

describe('what is in the purse', () => {
  it('is listed for people', async () => {
    const buyer = await boughtSomething()
    const tokens = await buyer.run(['tokens', 'list'])
    expect(tokens).toMatchObject({ code: 0, err: '' })
    for (const said of [gateway.url, '10 sat', 'weather_valid_until=', 'GET /forecast/*'])
      expect(tokens.out).toContain(said)
    const payments = await buyer.run(['payments'])
    expect(payments).toMatchObject({ code: 0, err: '' })
    expect(payments.out).toMatch(/10 sat .* settled\s+redeemed\s+[0-9a-f]{16}\s+GET http/)
    expect(payments.out).not.toContain('hidden')
    const empty = newBuyer(gateway.admin)
    expect((await empty.run(['tokens', 'list'])).out).toBe('The purse holds no credentials.\n')
    expect((await empty.run(['payments'])).out).toBe('No payments yet.\n')
  })

  it('is listed for programs, without a secret', async () => {
    const buyer = await boughtSomething()
    const { tokens } = JSON.parse((await buyer.run(['tokens', 'list', '--json'])).out)
    expect(tokens).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{16}$/),
        origin: gateway.url,
        boughtFor: `${gateway.url} GET /forecast/x`,
        boughtAt: expect.any(String),
        lastUsedAt: expect.any(String),
        costMsat: '10000',
        caveats: [
          'services=weather:0',
          expect.stringContaining('_valid_until='),
          'weather_capabilities=GET /forecast/*',
        ],
        rejectedFor: [],
      },
    ])
    const { payments } = JSON.parse((await buyer.run(['payments', '--json', '--limit', '5'])).out)
    expect(payments).toMatchObject([
      {
        paymentHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        amountMsat: '10000',
        feeMsat: '0',
        state: 'settled',
        served: 'redeemed',
        lastStatus: 200,
        request: `GET ${gateway.url}/forecast/x`,
      },
    ])
  })
})
