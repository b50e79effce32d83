import { describe, expect, it } from 'vitest'
import { buildRouting } from '../assemble.ts'
import { parseConfig } from './load.ts'

const where = { file: 'turnpike.yaml', folder: '/', env: {}, sandbox: true }
const file = ({ top = '', service = '', route = 'price: 1 sat' }): string => `${top}
services:
  a:
    upstream: http://127.0.0.1:9000
    ${service}
    routes:
      - { match: /x, ${route} }
`

describe('what is given away and limited', () => {
  it('comes out as terms of the routes: of the service together, of a route alone', () => {
    const config = parseConfig(
      `services:
  a:
    upstream: http://127.0.0.1:9000
    freebie: 5/1d
    rateLimits: [{ match: "~^/x/[0-9]+$", requests: 10/1s, burst: 20, per: token }]
    routes:
      - { match: "/x/*", price: 1 sat, rateLimits: [{ requests: 100/1m, per: route }] }
      - { match: /own, price: 1 sat, freebie: 1/1h, shadow: true }
      - { match: /free, free: true }
      - { match: /bought, skipInvoice: true, capability: "/x/*" }
`,
      where,
    )
    const [table] = buildRouting(config, undefined)
    const termsOf = (path: string) => table?.routes.match('GET', path)?.value.terms
    const day = 86_400_000
    expect(termsOf('/x/1')).toMatchObject({
      freebie: { owner: 'a', requests: 5, windowMs: day },
      limits: [
        { rule: 'a /x/*#0', per: 'route', allowance: { requests: 100, windowMs: 60_000, burst: 100 } },
        { rule: 'a#0', per: 'token', allowance: { requests: 10, windowMs: 1_000, burst: 20 } },
      ],
    })
    const [, ofService] = termsOf('/x/1')?.limits ?? []
    expect([ofService?.applies?.('GET', '/x/1'), ofService?.applies?.('GET', '/x/y')]).toEqual([true, false])
    expect(termsOf('/own')).toMatchObject({ freebie: { owner: 'a /own', requests: 1 }, shadow: true })
    expect(termsOf('/free')).not.toHaveProperty('freebie')
    expect(termsOf('/bought')).toMatchObject({ skipInvoice: true, priceMsat: 0n })
  })

  it.each([
    ['a freebie without a time', { service: 'freebie: "5"' }, /:5:14: services\.a\.freebie: .*expected/],
    ['a freebie on a free route', { route: 'free: true, freebie: 1/1d' }, /expected no "freebie"/],
    ['skipInvoice on a free route', { route: 'free: true, skipInvoice: true' }, /expected no "skipInvoice"/],
    ['a rate by nothing', { service: 'rateLimits: [{ requests: 1/1s }]' }, /"token" or "address" or "route"/],
    [
      'a rate of nothing',
      { service: 'rateLimits: [{ requests: 0/1s, per: token }]' },
      /rateLimits\[0\]: .*expected/,
    ],
    ['a rate for no path', { service: 'rateLimits: [{ match: x, requests: 1/1s, per: token }]' }, /expected/],
    [
      'an unknown key of a rate',
      { service: 'rateLimits: [{ request: 1/1s, per: token }]' },
      /expected "requests"/,
    ],
    ['a block that is none', { top: 'block: [10.0.0.0]' }, /:1:9: block\[0\]: .*expected a block/],
    ['an unknown key of cors', { service: 'cors: { origin: [https://a.test] }' }, /expected "origins"/],
    [
      'an origin with a path',
      { service: 'cors: { origins: [https://a.test/] }' },
      /without a path|"any" or a list/,
    ],
    ['credentials for any page', { service: 'cors: { credentials: true }' }, /expected a list of "origins"/],
    [
      'an unknown key of a listener',
      { top: 'listen: { addres: 127.0.0.1:1 }' },
      /unknown key "addres", expected "address"/,
    ],
    ['a listener without an address', { top: 'listen: { proxyProtocol: true }' }, /expected host:port/],
    [
      'PROXY protocol from nobody',
      { top: 'listen: { address: 127.0.0.1:1, proxyProtocol: true }' },
      /:1:9: listen: .*expected "trustedProxies"/,
    ],
    ['a breaker of nothing', { top: 'challenges: { breaker: { failures: 0 } }' }, /a whole number from 1/],
    [
      'an unknown key of a breaker',
      { top: 'challenges: { breaker: { failure: 1 } }' },
      /expected "failures"/,
    ],
  ])('says what is wrong with %s', (_, parts, message) => {
    expect(() => parseConfig(file(parts), where)).toThrow(message)
  })
})

describe('the bounds of challenges', () => {
  const economics = (challenges: string) => parseConfig(file({ top: challenges }), where).challenges.economics

  it('are on by default, and off with the limit unless they are written', () => {
    const on = { reuse: true, global: { count: 1000, windowSeconds: 60 }, breaker: {} }
    expect(economics('')).toEqual(on)
    expect(economics('challenges: { limit: 5/1m }')).toEqual(on)
    expect(economics('challenges: { limit: off }')).toEqual({ reuse: false, global: null, breaker: {} })
    expect(
      economics(
        'challenges: { limit: off, reuse: true, global: 5/1s, breaker: { failures: 2, openFor: 1m, concurrent: 4 } }',
      ),
    ).toEqual({
      reuse: true,
      global: { count: 5, windowSeconds: 1 },
      breaker: { failures: 2, openSeconds: 60, concurrent: 4 },
    })
    expect(economics('challenges: { global: off, reuse: false }')).toMatchObject({
      reuse: false,
      global: null,
    })
  })
})

describe('who may ask, and from where', () => {
  it('stands on the file and on its services', () => {
    const config = parseConfig(
      file({
        top: 'block: [10.0.0.0/8]\nlisten: { address: "127.0.0.1:8402" }',
        service: 'allow: [192.0.2.0/24]',
      }),
      where,
    )
    expect(config.access).toEqual({ block: ['10.0.0.0/8'], allow: undefined })
    expect(config.services[0]?.access).toEqual({ block: [], allow: ['192.0.2.0/24'] })
    expect(config.listen).toEqual([{ host: '127.0.0.1', port: 8402 }])
    expect(config.services[0]?.cors).toBeUndefined()
  })

  it('and which pages may read it, on each service', () => {
    const corsOf = (cors: string) => parseConfig(file({ service: `cors: ${cors}` }), where).services[0]?.cors
    expect(corsOf('off')).toBeNull()
    expect(corsOf('{}')).toEqual({ origins: 'any', credentials: false, expose: [], maxAgeSeconds: 600 })
    expect(
      corsOf(
        '{ origins: [https://a.test], credentials: true, methods: [PUT], headers: [X-A], expose: [X-B], maxAge: 1h }',
      ),
    ).toEqual({
      origins: ['https://a.test'],
      credentials: true,
      methods: ['PUT'],
      headers: ['X-A'],
      expose: ['X-B'],
      maxAgeSeconds: 3600,
    })
  })
})
