import type { Network } from '@turnpike/l402/lightning'
import { expect, it } from 'vitest'
import { parseConfig } from '../config/load.ts'
import type { ListedRoute } from './listing.ts'
import { documentsOf } from './of-config.ts'
import { openApiDocument } from './openapi.ts'

type Json = Record<string, unknown>

it('tells the Payment scheme of routes that offer it, and not of others', () => {
  const route = (path: string, payable: boolean): ListedRoute => ({
    service: 'weather',
    match: `GET ${path}`,
    methods: ['GET'],
    path,
    free: false,
    priceMsat: 10_000n,
    grants: { calls: 1 },
    reuse: 'single',
    payable,
    sessionSats: undefined,
    memo: undefined,
  })
  const routes = [route('/now', true), route('/delivered', false)]
  const parts = {
    services: [{ name: 'weather', description: undefined, routes, conditions: [] }],
    titles: { title: undefined, description: undefined },
    own: undefined,
  }
  const { paths } = openApiDocument(parts, { payment: true }) as {
    paths: Record<string, { get: object }>
  }
  expect(paths['/now']?.get).toHaveProperty('x-payment-info')
  expect(paths['/now']?.get).toMatchObject({ security: [{ L402: [] }, { Payment: [] }] })
  expect(paths['/delivered']?.get).not.toHaveProperty('x-payment-info')
  expect(paths['/delivered']?.get).toMatchObject({ security: [{ L402: [] }] })
})

/** `/openapi.json` as a configuration makes it, for who asks this origin. */
function documentOf(
  more: string,
  { network = 'regtest', base = 'https://api.example' }: { network?: Network; base?: string } = {},
): Json {
  const config = parseConfig(
    `listen: 127.0.0.1:0
store: memory
lightning: sandbox
${more}
services:
  weather:
    upstream: http://127.0.0.1:9
    routes:
      - { match: "GET /bundle", price: 100 sat, grants: { calls: 30 } }
      - { match: "GET /chat", price: 1 ksat, grants: { credit: 1 ksat }, charge: { responseBytes: 1 msat, estimate: 2500 msat } }
      - { match: "GET /asked", price: { expr: "100 sat + 1 msat * bytes" }, grants: { calls: 30 } }
      - { match: "GET /once", price: 10 sat }
      - { match: "GET /pass", price: 10 sat, grants: { valid: 1h } }
      - { match: "GET /parts", price: 1500 msat, grants: { calls: 30 } }
      - { match: "GET /dear", price: 200 ksat, grants: { calls: 30 } }
      - { match: "GET /watched", price: 100 sat, grants: { calls: 30 }, shadow: true }
`,
    { file: 'turnpike.yaml', folder: '.', env: {}, sandbox: true },
  )
  const text = documentsOf(config, config.services, network)?.('/openapi.json', base)?.text ?? '{}'
  return JSON.parse(text) as Json
}

/** The offers of its operations. */
function offersOf(...of: Parameters<typeof documentOf>): (path: string) => unknown {
  const { paths } = documentOf(...of) as {
    paths: Record<string, { get: { 'x-payment-info'?: { offers: readonly unknown[] } } }>
  }
  return (path) => paths[path]?.get['x-payment-info']?.offers
}

const CHARGE = expect.objectContaining({ intent: 'charge', method: 'lightning', currency: 'sat' })

it.each([
  ['/bundle', '4'],
  ['/chat', '3'],
  ['/asked', null],
])('offers a session on %s, after the charge, at what its challenge says', (path, amount) => {
  const session = {
    ...{ intent: 'session', method: 'lightning', amount, currency: 'sat' },
    description: `weather: GET ${path}, each request of a session`,
  }
  expect(offersOf('')(path)).toEqual([CHARGE, session])
})

it('offers no session where challenges offer none', () => {
  const offers = offersOf('')
  for (const path of ['/once', '/pass', '/dear']) expect(offers(path)).toEqual([CHARGE])
  expect(offers('/parts')).toBeUndefined()
  expect(offersOf('sessions: off')('/bundle')).toEqual([CHARGE])
  expect(offersOf('sessions: { pin: true }')('/dear')).toEqual([
    CHARGE,
    expect.objectContaining({ amount: '6667' }),
  ])
})

it('offers the scheme where the challenge of that very request could: over TLS or on this machine, on its networks', () => {
  for (const base of ['https://api.example', 'http://127.0.0.1:8402', 'http://localhost'])
    expect(offersOf('', { base })('/once')).toEqual([CHARGE])
  for (const network of ['mainnet', 'signet'] as const)
    expect(offersOf('', { network })('/once')).toEqual([CHARGE])
})

it.each<[string, Parameters<typeof documentOf>]>([
  ['over plain HTTP', ['', { base: 'http://api.example' }]],
  ['on a network that it has no name for', ['', { network: 'testnet' }]],
  ['where it is off', ['paymentScheme: off']],
])('has no word of the scheme %s', (_, of) => {
  const text = JSON.stringify(documentOf(...of))
  expect(text).toContain('"L402"')
  expect(text).not.toMatch(/"Payment"|x-payment-info/)
})

it('offers it on no route that has no challenges, or none in whole satoshis', () => {
  const { paths } = documentOf('') as { paths: Record<string, { get: Json }> }
  for (const path of ['/watched', '/parts']) {
    expect(paths[path]?.get).not.toHaveProperty('x-payment-info')
    expect(paths[path]?.get).toMatchObject({ security: [{ L402: [] }] })
  }
})
