import { describe, expect, it } from 'vitest'
import { faultsOf, route, where } from './load.test-suite.ts'
import { parseConfig } from './load.ts'

describe('hold: true', () => {
  const LND = '{ backend: lnd, url: "https://127.0.0.1:8080", macaroonFile: m }'
  const selling = (body: string, more = '', lightning = LND): string =>
    `${more}${route(body).replace('lightning: sandbox', `lightning: ${lightning}`)}`

  it('sells one call on delivery', () => {
    const config = parseConfig(selling('{ match: "POST /x", price: 5 sat, hold: true }'), where)
    expect(config.services[0]?.routes[0]).toMatchObject({ hold: true, grants: { calls: 1 } })
    expect(faultsOf(selling('{ match: "POST /x", price: 5 sat, hold: true }', 'workers: 2\n'))).toEqual([])
  })

  it.each([
    ['grants: { calls: 5 }', /^6:.*grants: a route with "hold: true" sells one call/],
    ['freebie: 2/1d', /^6:.*freebie: a route with "hold: true" sells one call/],
    ['shadow: true', /^6:.*shadow: a route with "hold: true" sells one call/],
    ['conditions: { dpop: true }', /^6:.*expected no "dpop"/],
  ])('is nothing to go with %s', (key, fault) => {
    const faults = faultsOf(selling(`{ match: "POST /x", price: 5 sat, hold: true, ${key} }`))
    expect(faults.map((line) => line.slice('turnpike.yaml:'.length)).join('\n')).toMatch(fault)
  })

  it.each([
    ['store: memory\n', /a store that lasts/],
    ['forwardAuth: { listen: "127.0.0.1:8404" }\n', /no "forwardAuth"/],
  ])('is nothing to go with %j', (more, fault) => {
    expect(faultsOf(selling('{ match: "POST /x", price: 5 sat, hold: true }', more)).join('\n')).toMatch(
      fault,
    )
  })
})

describe('hold: true, where a backend cannot hold', () => {
  const PHOENIXD = '{ backend: phoenixd, url: "http://127.0.0.1:9740", passwordFile: p }'
  const LND = '{ backend: lnd, url: "https://127.0.0.1:8080", macaroonFile: m }'
  const file = (lightning: string): string =>
    route('{ match: "POST /x", price: 5 sat, hold: true }').replace('sandbox', lightning)

  it.each([
    ['sandbox', '"sandbox"'],
    [PHOENIXD, '"phoenixd"'],
    [`[${LND}, ${PHOENIXD}]`, '"phoenixd"'],
  ])('is told at its route: %s', (lightning, named) => {
    expect(faultsOf(file(lightning))).toEqual([
      `turnpike.yaml:6:18: hold: a route is paid on delivery, expected a Lightning backend that holds payments ("lnd"), not ${named}`,
    ])
  })

  it('is no fault where all can, nor for commands that need no backend', () => {
    expect(faultsOf(file(`[${LND}, ${LND}]`))).toEqual([])
    expect(faultsOf(file(LND), {}, true).join()).toContain('not "sandbox"')
    const idle = { ...where, sandbox: true, serves: false }
    expect(parseConfig(`network: mainnet\n${file(LND)}`, idle).network).toBe('mainnet')
  })
})
