import { describe, expect, it } from 'vitest'
import { concernsAnother, conditionFor, understoodCondition } from './names.ts'

describe('the name of a condition', () => {
  it.each([
    ['services', 'services'],
    ['crit', 'crit'],
    ['dpop_jkt', 'dpop_jkt'],
    ['preimage', 'preimage'],
    ['svc_valid_until', 'valid_until'],
    ['svc_max_calls', 'max_calls'],
    ['svc_ip', 'ip'],
  ])('%s is one of the table for svc', (condition, name) => {
    expect(conditionFor('svc', condition)).toBe(name)
  })

  it.each([
    ...[
      ' svc_methods',
      'svc_methods ',
      'SVC_methods',
      'svc_Methods',
      'svc-methods',
      'svc__methods',
      'svcmethods',
    ],
    ...[
      'methods',
      '_methods',
      'svc_',
      'svc',
      '',
      'svc_services',
      'svc_crit',
      'svc_constructor',
      'svc___proto__',
    ],
    ...['constructor', 'toString', 'svc_other_methods', 'other_methods'],
  ])('%j is none of the table for svc', (condition) => {
    expect(conditionFor('svc', condition)).toBeUndefined()
  })

  it('may hold underscores in the service, which end before the longest condition that fits', () => {
    expect(conditionFor('a_b', 'a_b_rate')).toBe('rate')
    expect(conditionFor('a', 'a_b_rate')).toBeUndefined()
    expect(conditionFor('a_max', 'a_max_max_calls')).toBe('max_calls')
    expect(conditionFor('a', 'a_max_calls')).toBe('max_calls')
  })

  it('concerns another service by its shape, or by a known name in front', () => {
    const known = new Set(['svc', 'pool', 'svc_v2'])
    expect(concernsAnother('svc', 'pool_valid_until', known)).toBe(true)
    expect(concernsAnother('svc', 'nobody_valid_until', known)).toBe(true)
    expect(concernsAnother('svc', 'pool_anything', known)).toBe(true)
    expect(concernsAnother('svc', 'svc_v2_anything', known)).toBe(true)
    expect(concernsAnother('svc', 'nobody_anything', known)).toBe(false)
    expect(concernsAnother('svc', 'svc_anything', known)).toBe(false)
    expect(concernsAnother('svc_v2', 'svc_v2_anything', known)).toBe(false)
    expect(concernsAnother('svc', '_valid_until', known)).toBe(false)
    expect(concernsAnother('svc', ' svc_valid_until', known)).toBe(false)
    expect(concernsAnother('svc', 'a shop_valid_until', known)).toBe(false)
    expect(concernsAnother('svc', 'a shop_valid_until', new Set(['a shop']))).toBe(true)
    expect(concernsAnother('svc', 'pool', known)).toBe(false)
  })

  it("is understood where it is the service's own, a common one, or a known service's", () => {
    const known = new Set(['svc', 'pool'])
    expect(understoodCondition('svc', 'svc_methods', known)).toBe('methods')
    expect(understoodCondition('svc', 'crit', known)).toBe('crit')
    expect(understoodCondition('svc', 'pool_methods', known)).toBe('methods')
    expect(understoodCondition('svc', 'pool_methods', new Set())).toBeUndefined()
    expect(understoodCondition('svc', 'pool_anything', known)).toBeUndefined()
    expect(understoodCondition('svc', 'nobody_methods', known)).toBeUndefined()
    expect(understoodCondition('svc', 'svc_anything', known)).toBeUndefined()
    expect(understoodCondition('svc', 'anything', known)).toBeUndefined()
  })
})
