import { expect, it } from 'vitest'
import { parseConfig } from '../config/load.ts'
import type { ListedRoute } from './listing.ts'
import { documentsOf } from './of-config.ts'
import { openApiDocument } from './openapi.ts'

it('tells the Payment scheme of routes that offer it, and not of those paid on delivery', () => {
  const route = (path: string, hold: boolean): ListedRoute => ({
    service: 'weather',
    match: `GET ${path}`,
    methods: ['GET'],
    path,
    free: false,
    priceMsat: 10_000n,
    grants: { calls: 1 },
    reuse: 'single',
    hold,
    sessionSats: undefined,
    memo: undefined,
  })
  const routes = [route('/now', false), route('/delivered', true)]
  const { paths } = openApiDocument({
    services: [{ name: 'weather', description: undefined, routes, conditions: [] }],
    titles: { title: undefined, description: undefined },
    payment: true,
    own: undefined,
  }) as { paths: Record<string, { get: object }> }
  expect(paths['/now']?.get).toHaveProperty('x-payment-info')
  expect(paths['/now']?.get).toMatchObject({ security: [{ L402: [] }, { Payment: [] }] })
  expect(paths['/delivered']?.get).not.toHaveProperty('x-payment-info')
  expect(paths['/delivered']?.get).toMatchObject({ security: [{ L402: [] }] })
})

/** The operations of `/openapi.json` as a configuration makes it. */
function offersOf(sessions: string): (path: string) => unknown {
  const config = parseConfig(
    `listen: 127.0.0.1:0
store: memory
lightning: sandbox
${sessions}
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
  const text = documentsOf(config, config.services)?.('/openapi.json', 'https://api.example')?.text ?? '{}'
  const { paths } = JSON.parse(text) as {
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
  for (const path of ['/once', '/pass', '/dear', '/watched']) expect(offers(path)).toEqual([CHARGE])
  expect(offers('/parts')).toBeUndefined()
  expect(offersOf('sessions: off')('/bundle')).toEqual([CHARGE])
  expect(offersOf('sessions: { pin: true }')('/dear')).toEqual([
    CHARGE,
    expect.objectContaining({ amount: '6667' }),
  ])
})
