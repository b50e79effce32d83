import { describe, expect, it } from 'vitest'
import { ConfigError } from './issue.ts'
import { parseConfig } from './load.ts'
import { configWarnings } from './warnings.ts'

const parse = (text: string, route = 'free: true') =>
  parseConfig(
    `${text}\nservices: { a: { upstream: sample, routes: [{ match: /x, ${route} }, { match: /y, free: true }] } }`,
    {
      file: 'turnpike.yaml',
      folder: '/',
      env: {},
      sandbox: true,
    },
  )

function faultOf(text: string): string {
  try {
    parse(text)
    return ''
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message
  }
}

describe('forwardAuth', () => {
  it('is nowhere unless it is asked for', () => {
    expect(parse('').forwardAuth).toBeUndefined()
  })

  it('listens on this machine, for this machine, unless it says otherwise', () => {
    expect(parse('forwardAuth: {}').forwardAuth).toEqual({
      listen: { host: '127.0.0.1', port: 8404 },
      envoy: undefined,
      trusted: ['127.0.0.0/8', '::1/128'],
    })
    expect(
      parse('forwardAuth: { listen: 10.0.0.1:9, envoy: 10.0.0.1:10, trusted: [10.0.0.0/24] }').forwardAuth,
    ).toEqual({
      listen: { host: '10.0.0.1', port: 9 },
      envoy: { host: '10.0.0.1', port: 10 },
      trusted: ['10.0.0.0/24'],
    })
  })

  it.each([
    [
      'forwardAuth: { listen: 127.0.0.1:8402 }',
      '1:24: forwardAuth.listen: 127.0.0.1:8402 is also another listener',
    ],
    [
      'forwardAuth: { listen: 0.0.0.0:8403 }',
      '1:24: forwardAuth.listen: 0.0.0.0:8403 is also another listener',
    ],
    [
      'forwardAuth: { envoy: 127.0.0.1:8404 }',
      '1:23: forwardAuth.envoy: 127.0.0.1:8404 is also another listener',
    ],
    ['forwardAuth: { trusted: [] }', 'expected at least one address block'],
    ['forwardAuth: { trusted: [10.0.0.1] }', 'not a block of addresses'],
    ['forwardAuth: { listen: nowhere }', 'not an address'],
    ['forwardAuth: { lisen: 127.0.0.1:1 }', 'lisen'],
  ])('%s is a fault', (text, fault) => {
    expect(faultOf(text)).toContain(fault)
  })

  it.each([
    ['price: 1 sat, grants: { credit: 5 sat }, charge: { fixed: 1 sat }', 'costs its estimate'],
    ['price: { grpc: "127.0.0.1:1", metered: true }', 'is refused behind forwardAuth: its price server'],
    [
      'price: { hook: "http://127.0.0.1:1/", body: true }',
      'is refused behind forwardAuth for requests with a body',
    ],
  ])('a route with %s is warned of', (route, warning) => {
    expect(configWarnings(parse('forwardAuth: {}', route)).map(({ message }) => message)).toEqual([
      expect.stringContaining(warning),
    ])
    expect(configWarnings(parse('', route))).toEqual([])
  })
})
