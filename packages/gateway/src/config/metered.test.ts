import { describe, expect, it } from 'vitest'
import { ConfigError } from './issue.ts'
import { route } from './load.test-suite.ts'
import { parseConfig } from './load.ts'

const load = (text: string, env: Record<string, string> = {}) =>
  parseConfig(text, { file: 'turnpike.yaml', folder: '/etc/turnpike', env, sandbox: false })

function faultOf(text: string, env: Record<string, string> = {}): string {
  try {
    load(text, env)
    return ''
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    expect(error.exitCode).toBe(78)
    return error.message
  }
}

describe('a metered or bound route', () => {
  it('is read with its charge, and with the conditions of its service where it has none of its own', () => {
    const text = route(
      '{ match: /x, price: 1 sat, grants: { credit: 5 sat }, charge: { fixed: 1 sat }, conditions: { rate: 5/1m } }',
    ).replace('    routes:', '    conditions: { rate: 10/1m, ip: client }\n    routes:')
    const [read] = load(text).services[0]?.routes ?? []
    expect(read).toMatchObject({
      grants: { creditMsat: 5_000n },
      charge: { fixedMsat: 1_000n, estimateMsat: 1_000n, whenEmpty: 'finish' },
      conditions: { rate: { limit: 5, seconds: 60 }, ip: 'client' },
    })
  })

  const cases: [what: string, text: string, fault: RegExp][] = [
    [
      'credit that nothing draws from',
      route('{ match: /x, price: 1 sat, grants: { credit: 5 sat } }'),
      /:6:54: .*grants\.credit: nothing draws from it, expected a "charge"/,
    ],
    [
      'a charge without credit',
      route('{ match: /x, price: 1 sat, charge: { fixed: 1 sat } }'),
      /:6:44: .*charge: nothing to draw from, expected credit/,
    ],
    [
      'credit for less than one request',
      route('{ match: /x, price: 1 sat, grants: { credit: 5 sat }, charge: { fixed: 6 sat } }'),
      /:6:54: .*less than one request reserves, expected at least 6 sat/,
    ],
    [
      'a charge of nothing',
      route('{ match: /x, price: 1 sat, grants: { credit: 5 sat }, charge: {} }'),
      /:6:71: .*charge: not right, expected at least one part above 0/,
    ],
    [
      'a charge without an estimate',
      route('{ match: /x, price: 1 sat, grants: { credit: 5 sat }, charge: { seconds: 1 msat } }'),
      /:6:71: .*charge: not right, expected an estimate/,
    ],
    [
      'a rate without a unit',
      route(
        '{ match: /x, price: 1 sat, grants: { credit: 5 sat }, charge: { seconds: 5, estimate: 1 sat } }',
      ),
      /:6:82: .*charge\.seconds: this is 5, expected an amount per unit/,
    ],
    [
      'a rate of another kind',
      route(
        '{ match: /x, price: 1 sat, grants: { credit: 5 sat }, charge: { seconds: 1 sat/0, estimate: 1 sat } }',
      ),
      /:6:71: .*charge: seconds is not right, expected a whole number of units/,
    ],
    [
      'an unknown key of a charge',
      route('{ match: /x, price: 1 sat, grants: { credit: 5 sat }, charge: { fixd: 1 sat } }'),
      /:6:73: unknown key "fixd", expected "fixed"$/,
    ],
    [
      'a rate that is none',
      route('{ match: /x, price: 1 sat, conditions: { rate: 10 } }'),
      /:6:56: .*this is 10, expected requests per time/,
    ],
    [
      'a rate of nothing',
      route('{ match: /x, price: 1 sat, conditions: { rate: 0/1m } }'),
      /:6:48: .*conditions: rate is not right, expected requests per time/,
    ],
    [
      'a condition nobody could satisfy',
      route('{ match: /x, price: 1 sat, conditions: { ip: [10.0.0.1/8] } }'),
      /:6:48: .*conditions: ip is not right, expected at most/,
    ],
    [
      'conditions of a free route',
      route('{ match: /x, free: true, conditions: { dpop: true } }'),
      /:6:46: .*sells nothing/,
    ],
  ]
  it.each(cases)('is told what is wrong by file, line and column: %s', (_, text, fault) => {
    expect(faultOf(text)).toMatch(fault)
  })

  it('shows nothing of what stands in the environment', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the file's own variable is the subject
    const text = route('{ match: /x, price: 1 sat, conditions: { rate: "${SECRET}" } }')
    const fault = faultOf(text, { SECRET: 'hunter2' })
    expect(fault).toMatch(/conditions: rate is not right, expected requests per time/)
    expect(fault).not.toContain('hunter2')
  })
})
