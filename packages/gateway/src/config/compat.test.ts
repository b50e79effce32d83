import { describe, expect, it } from 'vitest'
import { buildRouting } from '../assemble.ts'
import { compileRouting } from '../proxy/routing.ts'
import { parseConfig } from './load.ts'
import { readMatch, routeMatch } from './match.ts'

const parse = (text: string) =>
  parseConfig(`lightning: sandbox\n${text}`, { file: 'turnpike.yaml', folder: '/', env: {}, sandbox: true })
const faults = (text: string): string => {
  try {
    parse(text)
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
  return ''
}
const service = (line: string, routes = '[{ match: /*, price: 1 sat, anyCapability: true }]'): string =>
  `services:\n  a:\n    upstream: http://127.0.0.1:1\n    ${line}\n    routes: ${routes}\n`

describe('hosts by expression', () => {
  /** Which upstream has the route of a request. */
  const routeOf = (text: string, host: string, path: string): string | undefined => {
    const finder = compileRouting(buildRouting(parse(text), undefined))
    return finder.find(host)?.routes.match('GET', path, ['Host', host])?.value.upstream.origin
  }
  const THREE = `services:
  one: { upstream: "http://one.test", hosts: "~.*[.]test", routes: [{ match: /a, free: true }] }
  two: { upstream: "http://two.test", hosts: ["~api[.].*", "~x:[0-9]+"], routes: [{ match: /*, free: true }] }
  rest: { upstream: "http://rest.test", routes: [{ match: /*, free: true }] }
`

  it('the first service counts whose host and path match, in the order written', () => {
    expect(routeOf(THREE, 'api.test', '/a')).toBe('http://one.test')
    expect(routeOf(THREE, 'api.test', '/b')).toBe('http://two.test')
    expect(routeOf(THREE, 'x:80', '/a')).toBe('http://two.test')
    expect(routeOf(THREE, 'web.test', '/b')).toBe('http://rest.test')
    // The whole line.
    expect(routeOf(THREE, 'x:80.evil', '/a')).toBe('http://rest.test')
  })

  it('what names a host goes first there', () => {
    const named = `${THREE}  named: { upstream: "http://named.test", hosts: api.test, routes: [{ match: /*, free: true }] }\n`
    expect(routeOf(named, 'api.test', '/a')).toBe('http://named.test')
    expect(routeOf(named, 'web.test', '/a')).toBe('http://one.test')
  })

  it.each([
    [
      'hosts: "~("',
      'not an expression that can be used, expected "~" and an RE2 expression of the whole Host line',
    ],
    ['hosts: "~"', 'not an expression that can be used'],
    ['hosts: ["~a", b.test]', 'names and expressions, expected only one kind'],
    ['hosts: "a b"', 'not a host name, expected a host name such as api.example.com'],
  ])('%s', (line, told) => {
    expect(faults(service(line))).toContain(told)
  })
})

describe('a match of two expressions', () => {
  it('takes what both match, whole', () => {
    const match = routeMatch('GET ~/a/.* &~.*/free')
    const takes = (path: string): boolean => typeof match === 'object' && match.path.test(path)
    expect(['/a/free', '/a/b/free', '/a/x', '/b/free', '/a/free/x'].map(takes)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ])
    expect(match).toMatchObject({ methods: ['GET'], prefix: '/a/', everything: false })
  })

  it('is wrong where one of them is', () => {
    expect(readMatch('~/a &~(')).toMatchObject({
      fault: expect.stringContaining('not an expression that can be used'),
    })
    expect(readMatch('~/a &~')).toMatchObject({ fault: expect.stringContaining('an empty expression') })
  })
})

describe('mints', () => {
  it('are what tokens are sold with besides', () => {
    const [found] = parse(
      service('mints: { capabilities: [read, write], caveats: { volume: 3, note: "a=b" } }'),
    ).services
    expect(found?.mints).toEqual({ capabilities: 'read,write', caveats: ['volume=3', 'note=a=b'] })
    expect(parse(service('tier: 0')).services[0]?.mints).toBeUndefined()
  })

  it.each([
    ['mints: { capabilities: ["a,b"] }', 'not a capability'],
    ['mints: { caveats: { services: "a:0" } }', 'is for the gateway to say'],
    ['mints: { caveats: { a_credit_msat: "9" } }', 'is for the gateway to say'],
    ['mints: { caveats: { "a=b": "9" } }', 'not a condition'],
    ['mints: { caveats: { x: [1] } }', 'not a value'],
    [`mints: { caveats: { x: "${'y'.repeat(1100)}" } }`, 'too much, expected at most 1024 bytes in all'],
    ['mints: { caps: [a] }', 'unknown key "caps"'],
  ])('%s', (line, told) => {
    expect(faults(service(line))).toContain(told)
  })

  it('have no capabilities where routes need their own', () => {
    expect(faults(service('mints: { capabilities: [read] }', '[{ match: /*, price: 1 sat }]'))).toContain(
      'routes need their own capability',
    )
  })
})

it('compat.lsat is off unless it is asked for', () => {
  expect([
    parse(service('tier: 0')).lsat,
    parse(`compat: { lsat: true }\n${service('tier: 0')}`).lsat,
  ]).toEqual([false, true])
})
