import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HeaderCondition } from './route-headers.ts'
import { compileRoutes, type RouteSpec, unreachableRoutes } from './routes.ts'

const big: HeaderCondition = { name: 'X-Model', is: 'big' }
const any: HeaderCondition = { name: 'x-model' }
const family: HeaderCondition = { name: 'X-Model', test: (value) => value.startsWith('b'), source: 'b.*' }
const spec = (match: string, value: string, ...headers: HeaderCondition[]): RouteSpec<string> => ({
  match,
  headers,
  value,
})
const chat = compileRoutes([spec('POST /chat', 'big', big), spec('/chat', 'some', any), spec('/*', 'rest')])
const answered = (...lines: string[]): string | undefined => chat.match('POST', '/chat', lines)?.value

describe('routes by header', () => {
  it('are chosen in the order written by what the lines hold', () => {
    expect(answered('X-Model', 'big')).toBe('big')
    expect(answered('x-MODEL', 'big')).toBe('big')
    expect(answered('X-Model', 'Big')).toBe('some')
    expect(answered('X-Model', '')).toBe('some')
    expect(answered('X-Models', 'big')).toBe('rest')
    expect(answered()).toBe('rest')
    expect(chat.match('GET', '/chat', ['X-Model', 'big'])?.value).toBe('some')
  })

  it('need every one of their conditions', () => {
    const both = compileRoutes([spec('/a', 'both', big, { name: 'X-Tier', is: '1' }), spec('/a', 'one', big)])
    expect(both.match('GET', '/a', ['X-Tier', '1', 'X-Model', 'big'])?.value).toBe('both')
    expect(both.match('GET', '/a', ['X-Model', 'big'])?.value).toBe('one')
    expect(both.match('GET', '/a', [])).toBeUndefined()
  })

  it.each([
    ['comes twice', ['X-Model', 'small', 'X-Model', 'big']],
    ['comes twice with the same value', ['X-Model', 'big', 'X-Model', 'big']],
    ['comes under a spelling that CGI reads as the same', ['X_Model', 'small']],
    ['comes in both spellings', ['X-Model', 'small', 'X_Model', 'big']],
  ])('match nobody where the line %s', (_, lines) => {
    expect(chat.match('POST', '/chat', lines)).toBeUndefined()
    expect(chat.match('POST', '/other', lines)?.value).toBe('rest')
  })

  it('are found without lines for a preflight', () => {
    expect(chat.match('POST', '/chat')?.value).toBe('big')
    expect(chat.methodsFor('/chat')).toBe('any')
    expect([...chat.headerNames]).toEqual(['x-model'])
  })

  it('refuse names that are none and conditions that are there twice', () => {
    expect(() => compileRoutes([spec('/a', '', { name: 'X Model' })])).toThrow(/expected header names/)
    expect(() => compileRoutes([spec('/a', '', any, big)])).toThrow(/one condition for each header/)
    expect(() => compileRoutes([spec('/a', '', big), spec('/a', '', big)])).toThrow(/the same as route 1/)
    expect(() => compileRoutes([spec('/a', '', big), spec('/a', '', any), spec('/a', '')])).not.toThrow()
  })
})

describe('unreachable routes with headers', () => {
  const dead = (...specs: RouteSpec<string>[]): number[] => unreachableRoutes(specs).map(({ index }) => index)

  it('are those whose conditions an earlier route covers', () => {
    expect(dead(spec('/*', ''), spec('/a', '', big))).toEqual([1])
    expect(dead(spec('/a', '', any), spec('/a', '', big), spec('/a', '', family))).toEqual([1, 2])
    expect(dead(spec('/a', '', family), spec('/a', '', big))).toEqual([1])
    expect(dead(spec('/*', '', family), spec('/a', '', family))).toEqual([1])
    expect(dead(spec('/a', '', big), spec('/a', '', any), spec('/a', ''))).toEqual([])
    expect(dead(spec('/a', '', { name: 'X-Model', is: 'small' }), spec('/a', '', big))).toEqual([])
  })

  it('are told for expressions by what their paths begin with', () => {
    const matcher = (source: string, prefix: string): RouteSpec<string> => ({
      match: { path: new RegExp(source.slice(1)), source, prefix },
      value: '',
    })
    expect(dead(spec('/api/*', ''), matcher('~/api/v[12]', '/api/v'))).toEqual([1])
    expect(dead(spec('/*', ''), matcher('~/.*', '/'))).toEqual([1])
    expect(dead(spec('/api/*', ''), matcher('~/ap.*', '/ap'))).toEqual([])
    expect(dead(spec('/*/b', ''), matcher('~/a/b', '/a/b'))).toEqual([])
    const all: RouteSpec<string> = { match: { path: /^/, source: '~.*', everything: true }, value: '' }
    expect(dead(all, spec('/a/*', ''), matcher('~/ap.*', '/ap'))).toEqual([1, 2])
    expect(dead({ ...all, headers: [big] }, spec('/a/*', ''), spec('/a', '', big))).toEqual([2])
  })

  it('never match', () => {
    const value = fc.constantFrom('', 'a', 'b', 'big')
    const condition = fc.oneof(
      fc.constant(undefined),
      fc.constant(any),
      fc.constant(family),
      value.map((is): HeaderCondition => ({ name: 'X-Model', is })),
    )
    fc.assert(
      fc.property(fc.array(condition, { maxLength: 6 }), fc.option(value), (conditions, sent) => {
        const specs = conditions.map((one, index) =>
          spec(index % 2 === 0 ? '/a' : '/*', String(index), ...(one === undefined ? [] : [one])),
        )
        const first = specs.findIndex(({ headers = [] }) =>
          headers.every(
            ({ is, test }) => sent !== null && (is === undefined || is === sent) && (test?.(sent) ?? true),
          ),
        )
        expect(dead(...specs)).not.toContain(first)
      }),
    )
  })
})
