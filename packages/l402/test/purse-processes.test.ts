import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buyer } from '../src/client/index.ts'
import { encodeHex } from '../src/core/bytes.ts'
import { sqlitePurse } from '../src/stores/purse-sqlite/index.ts'
import { type Seller, startSeller, testWallet } from './support/seller.ts'

const folder = mkdtempSync(join(tmpdir(), 'purse-processes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let cases = 0
let file = ''
let seller: Seller
let walletServer: Server
let walletUrl = ''
/** Payment hashes that the wallet has paid, each counted. */
let paid: string[]

beforeEach(async () => {
  file = join(folder, `${cases++}`, 'purse.db')
  seller = await startSeller()
  paid = []
  // The wallet outlives the buyers.
  walletServer = createServer((request, response) => {
    const hash = (request.url ?? '').slice(1)
    if (request.method === 'POST') paid.push(hash)
    const preimage = paid.includes(hash) ? seller.secrets.get(hash) : undefined
    response.end(
      JSON.stringify(preimage ? { status: 'paid', preimage: encodeHex(preimage) } : { status: 'not_found' }),
    )
  })
  await new Promise<void>((resolve) => walletServer.listen(0, '127.0.0.1', resolve))
  walletUrl = `http://127.0.0.1:${(walletServer.address() as AddressInfo).port}`
})
afterEach(async () => {
  await seller[Symbol.asyncDispose]()
  walletServer.closeAllConnections()
  await new Promise((resolve) => walletServer.close(resolve))
})

/** Runs a buyer that dies at `point`; its outcome, or `killed`. */
function buy(point = '', path = '/forecast'): Promise<unknown> {
  const child = spawn(
    process.execPath,
    [
      '--conditions=turnpike:source',
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, 'support/buyer-child.ts'),
      file,
      seller.origin + path,
      walletUrl,
      point,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  return new Promise((resolve) => {
    child.once('close', (_, signal) => resolve(signal === 'SIGKILL' ? 'killed' : JSON.parse(output)))
  })
}

async function spentMsat(): Promise<bigint> {
  const purse = sqlitePurse({ file })
  try {
    return (await purse.spent()).totalMsat
  } finally {
    await purse.close()
  }
}

describe('a buyer that is killed', () => {
  it('with its budget reserved has paid nothing; the next run buys', async () => {
    expect(await buy('reserve')).toBe('killed')
    expect(await spentMsat()).toBe(11_000n)
    expect(await buy()).toEqual({ kind: 'served', status: 200, resumed: [false] })
    expect(paid).toHaveLength(1)
    expect(await spentMsat()).toBe(10_000n)
  })

  it('with its payment in flight is finished with the same invoice, which cannot be paid twice (C3)', async () => {
    expect(await buy('before paying')).toBe('killed')
    const purse = sqlitePurse({ file })
    const [open] = await purse.openPayments()
    // A look-up alone does not conclude what may still be on its way, and pays nothing.
    const wallet = testWallet(seller.secrets)
    expect(await buyer({ wallet, purse }).recover()).toMatchObject([{ state: 'unknown' }])
    await purse.close()
    expect(wallet.paid).toEqual([])
    expect(await spentMsat()).toBe(11_000n)
    expect(await buy()).toEqual({ kind: 'served', status: 200, resumed: [false] })
    expect(paid).toEqual([encodeHex(open?.paymentHash ?? new Uint8Array())])
    expect(await spentMsat()).toBe(10_000n)
  })

  it('when the wallet has paid finds that out, and uses the macaroon it paid for', async () => {
    expect(await buy('paid')).toBe('killed')
    expect(await spentMsat()).toBe(11_000n)
    expect(await buy()).toEqual({ kind: 'served', status: 200, resumed: [true] })
    expect(paid).toHaveLength(1)
    expect(await spentMsat()).toBe(10_000n)
    expect(seller.received.at(-1)?.paid).toBe(paid[0])
  })

  it('with its credential in the purse uses it', async () => {
    expect(await buy('settle')).toBe('killed')
    expect(await buy()).toEqual({ kind: 'served', status: 200, resumed: [] })
    expect(paid).toHaveLength(1)
  })
})

describe('a buyer that is killed at any instruction', () => {
  it('never pays again and never forgets', { timeout: 600_000 }, async () => {
    seller.plan = { caveats: ['services=weather:0', 'weather_paths=/points'] }
    // What can be told apart from outside: before and after each call of the purse, the wallet and the server.
    const { passed } = (await buy('none', '/points')) as { passed: string[] }
    // Between the end of one call and the start of the next nothing leaves the process: one point for both.
    const points = passed
      .map((name, i) => `${name} ${passed.slice(0, i + 1).filter((one) => one === name).length}`)
      .filter((name) => /^(before |paid |the end )/.test(name))
    for (const name of ['reserve', 'beginPaying', 'paying', 'settle', 'recordServed'])
      expect(points).toContain(`before ${name} 1`)
    expect(points).toContain('paid 1')
    paid.length = 0
    const before = await spentMsat()
    for (const [n, point] of points.entries()) {
      const path = `/crash/${n}`
      const end = Math.floor(Date.now() / 1000) + 3_600
      seller.plan = { caveats: ['services=weather:0', `weather_valid_until=${end}`, `weather_paths=${path}`] }
      // Each buyer has yet to find out how this server takes narrowed copies, as the first one had.
      const known = sqlitePurse({ file })
      await known.setNote(seller.origin, 'narrowed copies', 'not known')
      await known.close()
      const start = paid.length
      expect([point, await buy(point, path)]).toEqual([point, 'killed'])
      expect([point, await buy('', path)]).toMatchObject([point, { kind: 'served', status: 200 }])
      expect([point, paid.length - start]).toEqual([point, 1])
    }
    const purse = sqlitePurse({ file })
    expect(await purse.openPayments()).toEqual([])
    await purse.close()
    expect(await spentMsat()).toBe(before + 10_000n * BigInt(points.length))
    expect(new Set(paid).size).toBe(points.length)
  })
})

describe('several buyers at once', () => {
  it('buy once what they all ask for (C5)', async () => {
    const outcomes = await Promise.all(Array.from({ length: 4 }, (_, n) => buy('', `/forecast?n=${n}`)))
    for (const outcome of outcomes) expect(outcome).toMatchObject({ kind: 'served', status: 200 })
    expect(paid).toHaveLength(1)
  })

  it('never spend more than the budget together', async () => {
    const purse = sqlitePurse({ file })
    await purse.setBudget({ overall: { dayMsat: 23_000n }, hosts: {} })
    await purse.close()
    seller.plan = { caveats: ['services=weather:0', 'weather_max_calls=1'] }
    seller.uses = 1
    const outcomes = await Promise.all(Array.from({ length: 4 }, (_, n) => buy('', `/${n}`)))
    const kinds = outcomes.map((one) => (one as { kind: string }).kind)
    expect(kinds.filter((kind) => kind === 'served').length).toBe(paid.length)
    expect(kinds.filter((kind) => kind === 'refused').length).toBe(4 - paid.length)
    expect(paid.length).toBeLessThanOrEqual(2)
    expect(await spentMsat()).toBeLessThanOrEqual(23_000n)
  })
})
