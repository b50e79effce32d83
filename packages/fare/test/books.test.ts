import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newGrant, startDaemon } from './support/daemon.ts'
import { type Buyer, newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { startWallet } from './support/wallet.ts'

let gateway: Gateway
const sources = createServer((request, response) => {
  if (request.url === '/USD') return response.end('{"data":{"amount":"64000.50"}}')
  if (request.url === '/odd') return response.end('{"data":{"amount":"free"}}')
  // Never answers.
  return undefined
})
beforeAll(async () => {
  gateway = await startGateway()
  await new Promise<void>((resolve) => sources.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  sources.closeAllConnections()
  sources.close()
  await gateway.stop()
})

function configured(rates: object): Buyer {
  const buyer = newBuyer(gateway.admin)
  mkdirSync(buyer.home, { mode: 0o700 })
  writeFileSync(join(buyer.home, 'config.yaml'), JSON.stringify({ rates }))
  return buyer
}

const at = (path: string): string => `http://127.0.0.1:${(sources.address() as AddressInfo).port}${path}`
const payments = async (buyer: Buyer) => JSON.parse((await buyer.fare('payments', '--json')).out)

describe('the books', () => {
  it('say what a payment was worth at the rate of a web page then, in every form', async () => {
    const buyer = configured({ currency: 'USD', source: at('/{CUR}'), field: 'data.amount' })
    expect(await buyer.fare(`${gateway.url}/forecast/x`)).toMatchObject({ code: 0 })
    const fiat = { currency: 'USD', amount: '0.006400', rate: '64000.50' }
    expect(await payments(buyer)).toMatchObject({
      payments: [{ amountMsat: '10000', fiat }],
      summary: { fiat: [{ currency: 'USD', amount: '0.006400' }] },
    })
    expect((await buyer.fare('payments')).out).toMatch(/WORTH.*0\.006400 USD.*\(0\.006400 USD then\)/s)
    const [head, row] = (await buyer.fare('payments', '--csv')).out.split('\r\n')
    expect(head).toMatch(/,fiat,currency,fiat_per_btc,written_off$/)
    expect(row).toMatch(/,0\.006400,USD,64000\.50,false$/)
  })

  it('ask a program too', async () => {
    const buyer = configured({})
    const program = join(buyer.home, 'rate')
    writeFileSync(program, '#!/bin/sh\necho 100000\n')
    chmodSync(program, 0o700)
    writeFileSync(
      join(buyer.home, 'config.yaml'),
      JSON.stringify({ rates: { currency: 'EUR', exec: program } }),
    )
    expect(await buyer.fare(`${gateway.url}/forecast/x`)).toMatchObject({ code: 0 })
    expect((await payments(buyer)).payments[0].fiat).toEqual({
      currency: 'EUR',
      amount: '0.010000',
      rate: '100000',
    })
  })

  it('say it of what a process bought under a grant', async () => {
    const buyer = configured({ currency: 'USD', source: at('/{CUR}'), field: 'data.amount' })
    const daemon = await startDaemon(buyer)
    const { host } = new URL(gateway.url)
    const holder = await newGrant(buyer, '--total', '100sat', '--hosts', host, '--until', '1h')
    expect((await holder.fare(`${gateway.url}/forecast/x`)).code).toBe(0)
    // Nothing that was bought waits for the rate: it is on the books once the daemon has ended.
    await daemon.stop()
    expect((await payments(buyer)).payments).toMatchObject([{ state: 'settled', fiat: { rate: '64000.50' } }])
  })

  it('say it of what was finished later, at the rate of then', async () => {
    const wallet = await startWallet(gateway.admin)
    wallet.onPay = (response, invoice) =>
      wallet.payForReal(invoice).then(() => response.socket?.resetAndDestroy())
    const buyer = configured({})
    writeFileSync(join(buyer.home, 'config.yaml'), '')
    const sandbox = { env: { FARE_SANDBOX_URL: wallet.url } }
    const ran = await buyer.run(['--sandbox', `${gateway.url}/forecast/x`], sandbox)
    expect(ran.code).toBe(5)
    const rates = { currency: 'USD', source: at('/{CUR}'), field: 'data.amount' }
    writeFileSync(join(buyer.home, 'config.yaml'), JSON.stringify({ rates }))
    expect((await buyer.run(['recover'], sandbox)).code).toBe(0)
    expect((await payments(buyer)).payments).toMatchObject([{ state: 'settled', fiat: { rate: '64000.50' } }])
  })

  interface Broken {
    readonly source?: string
    /** Path of the server of this test. */
    readonly path?: string
    readonly field?: string
    readonly exec?: string
  }
  const broken: readonly (readonly [string, Broken])[] = [
    ['cannot be reached', { source: 'http://127.0.0.1:9/', field: 'rate' }],
    ['never answers', { path: '/silent', field: 'rate' }],
    ['says nonsense', { path: '/odd', field: 'data.amount' }],
    ['is a program that is not there', { exec: '/nonexistent/rate' }],
  ]
  it.each(broken)(
    'hold up no purchase where the source %s, and have it without a worth',
    async (_, rates) => {
      const { path, ...table } = rates
      const buyer = configured({ currency: 'USD', ...table, ...(path !== undefined && { source: at(path) }) })
      expect(await buyer.fare(`${gateway.url}/forecast/x`)).toMatchObject({
        code: 0,
        err: expect.stringContaining('Paid: 10 sat'),
      })
      expect(await payments(buyer)).toMatchObject({
        payments: [{ state: 'settled', fiat: null }],
        summary: { fiat: [] },
      })
    },
  )

  it.each([
    [{ currency: 'dollars', source: 'coinbase' }, 'rates.currency'],
    [{ currency: 'USD' }, 'one of "source"'],
    [{ currency: 'USD', source: 'coinbas' }, 'rates.source'],
    [{ currency: 'USD', source: 'https://a.example' }, 'rates.field'],
    [{ currency: 'USD', exec: 'rate' }, 'rates.exec'],
    [{ currency: 'USD', source: 'coinbase', every: '1m' }, 'unknown key "every"'],
  ])('are told that %j is no source', async (rates, expected) => {
    const ran = await configured(rates).fare(`${gateway.url}/forecast/x`)
    expect(ran).toMatchObject({ code: 2, out: '', err: expect.stringContaining(expected) })
  })
})
