import { describe, expect, it } from 'vitest'
import { ConfigError } from './issue.ts'
import { parseConfig } from './load.ts'
import type { PriceConfig } from './pricing.ts'

const RATES = 'rates: { source: [coinbase, kraken, bitstamp], refresh: 30s, maxAge: 5m }\n'

function read(route: string, top = '') {
  const text = `lightning: sandbox
${top}services:
  weather:
    upstream: http://127.0.0.1:9000
    routes:
      - { match: "POST /query", ${route} }
`
  return parseConfig(text, { file: 'turnpike.yaml', folder: '/etc', env: {}, sandbox: false })
}

function price(route: string, top?: string): PriceConfig | undefined {
  return read(route, top).services[0]?.routes[0]?.price
}

function fault(route: string, top?: string): string {
  try {
    read(route, top)
    return ''
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message
  }
}

describe('prices', () => {
  it('are read in every kind', () => {
    expect(read('price: 10 sat').services[0]?.routes[0]).toMatchObject({
      priceMsat: 10_000n,
      price: undefined,
    })
    expect(price('price: "$0.02"', RATES)).toMatchObject({ kind: 'fiat', currency: 'USD' })
    expect(price('price: { fiat: 0.02 EUR, most: 1 ksat }', RATES)).toMatchObject({ mostMsat: 1_000_000n })
    expect(price('price: { expr: "1 sat * bytes" }')).toMatchObject({ kind: 'expr', text: '1 sat * bytes' })
    expect(price('price: { hook: "http://127.0.0.1:1/p", headers: [X-Model], timeout: 5s }')).toMatchObject({
      kind: 'hook',
      headers: ['x-model'],
      timeoutMs: 5_000,
      binds: 'request',
      body: false,
    })
    expect(price('price: { grpc: "127.0.0.1:10010" }')).toMatchObject({
      kind: 'grpc',
      metered: false,
      tls: undefined,
      timeoutMs: 2_000,
      binds: 'request',
    })
  })

  it('of a metered price server open the route, without a number of calls', () => {
    const [route] =
      read('price: { grpc: "127.0.0.1:10010", metered: true, tls: true }').services[0]?.routes ?? []
    expect(route).toMatchObject({ grants: {}, price: { metered: true, binds: 'route', tailBytes: 16_384 } })
  })

  it.each([
    [
      'price: "$0.02"',
      '6:40: services.weather.routes[0].price: a price in USD needs a rate, expected "rates: { source: coinbase }" at the top',
    ],
    ['price: "$0,02"', 'expected an amount in fiat money such as "$0.02"'],
    ['price: { most: 1 sat }', 'expected a table with one of hook, grpc, expr, fiat'],
    ['price: { hook: "http://a/", expr: "1 sat" }', 'expected a table with one of hook, grpc, expr, fiat'],
    ['price: { hok: "http://a/" }', 'expected a table with one of hook, grpc, expr, fiat'],
    ['price: { hook: "http://a/", mots: 1 sat }', 'unknown key "mots", expected "most"'],
    ['price: { hook: "ftp://a/" }', 'expected an http or https URL'],
    ['price: { hook: "http://user:pw@a/" }', 'expected an http or https URL'],
    ['price: { grpc: 127.0.0.1 }', 'expected host:port such as 127.0.0.1:10010'],
    ['price: { grpc: "a:1", body: true, binds: path }', 'expected binds: request'],
    ['price: { grpc: "a:1", headers: [x], binds: route }', 'expected binds: request'],
    [
      'price: { expr: "1 sat * byte" }',
      '6:48: services.weather.routes[0].price.expr: expected a number, an amount such as 10 sat',
    ],
    ['price: { expr: "1 sat * byte" }', '(character 9 of the expression)'],
    ['price: { expr: "1 sat" }, anyCapability: true', 'expected credentials to be bound to it'],
    [
      'price: { expr: "1 sat" }, grants: { credit: 9 sat }, charge: { fixed: 1 sat }',
      'expected one price for the credit',
    ],
    ['price: 7', '7 has no unit'],
    ['price: 1 sat, capability: "a;msat=9"', 'expected none with ";msat="'],
  ])('%s is refused', (route, message) => {
    expect(fault(route)).toContain(message)
  })
})

describe('rates', () => {
  it('name public price APIs, or URLs with the field of the rate', () => {
    expect(read('price: "$1"', RATES).rates).toMatchObject({ refreshMs: 30_000, maxAgeMs: 300_000 })
    expect(read('price: "$1"', RATES).rates?.sources).toHaveLength(3)
    const own = 'rates: { source: "http://127.0.0.1:1/{CUR}", field: a.b }\n'
    expect(read('price: "$1"', own).rates).toEqual({
      sources: [{ url: 'http://127.0.0.1:1/{CUR}', field: 'a.b' }],
      refreshMs: 60_000,
      maxAgeMs: 600_000,
    })
  })

  it.each([
    [
      'rates: { source: coinbas }\n',
      '2:18: rates.source: not a rate source, expected coinbase, kraken, bitstamp, mempool or a URL. Did you mean "coinbase"?',
    ],
    ['rates: { source: "http://a/" }\n', 'expected where the rate stands in its JSON'],
    ['rates: { source: kraken, refresh: 1h, maxAge: 1m }\n', 'expected a rate to live until the next one'],
    ['rates: { sauce: kraken }\n', 'unknown key "sauce", expected one of source, field'],
  ])('%s is refused', (top, message) => {
    expect(fault('price: 1 sat', top)).toContain(message)
  })
})
