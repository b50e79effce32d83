import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Buyer, newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'

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
    expect(head).toMatch(/,fiat,currency,fiat_per_btc$/)
    expect(row).toMatch(/,0\.006400,USD,64000\.50$/)
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
