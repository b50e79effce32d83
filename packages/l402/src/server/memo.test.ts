import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bench, challengeOf } from '../../test/gate-bench.ts'
import { decodeInvoice } from '../core/bolt11/index.ts'
import { encodeUtf8 } from '../core/bytes.ts'
import type { GateRequest } from './gate.ts'
import { isMemoTemplate, memoFault, withMemo } from './memo.ts'
import { routeTerms } from './route-terms.ts'

const selling = (memo: string) => routeTerms('weather', 'GET /forecast/*', { price: '10 sat', memo })

function filled(memo: string, more: Partial<GateRequest> = {}): string | undefined {
  return withMemo({
    method: 'GET',
    path: '/forecast/paris',
    headers: ['Host', 'a.example'],
    clientAddress: '192.0.2.7',
    route: { ...selling('-'), memo },
    ...more,
  }).memo
}

describe('a memo with names in braces', () => {
  it('says what is sold, where, and to which request', () => {
    expect(filled('{service} | {route} | {method} | {path} | {host}')).toBe(
      'weather | GET /forecast/* | GET | /forecast/paris | a.example',
    )
    expect(filled('{host}', { base: 'https://b.example:8443' })).toBe('b.example:8443')
    expect(filled('{host}', { headers: [] })).toBe('')
    expect(filled('{method}', { method: 'HEAD' })).toBe('GET')
  })

  it('leaves out the query, and takes braces that come with a value as text', () => {
    expect(filled('{path}', { query: '?key=secret' })).toBe('/forecast/paris')
    expect(filled('{path} {host}', { path: '/{host}/{path}', base: 'https://{service}' })).toBe(
      '/{host}/{path} {service}',
    )
    expect(filled('$& {path}', { path: "/$&$1$'" })).toBe("$& /$&$1$'")
  })

  it('is a plain text without them, and the very same route', () => {
    const route = selling('a forecast')
    const request = { method: 'GET', path: '/', headers: [], clientAddress: '', route }
    expect(withMemo(request)).toBe(route)
    expect(['a', '{', '{}', '{path}'].map(isMemoTemplate)).toEqual([false, false, true, true])
  })

  it('loses control characters, turned text, line ends and halves of characters', () => {
    const path = '/a\r\nb\0c\u001b[31m\u202eevil\u2066\u200b\u2028d\u2029e\ud800f\u007f\u0085g'
    expect(filled('{path}', { path })).toBe('/abc[31mevildefg')
  })

  it('bounds what a client says, whatever it is long of', () => {
    const long = filled('{path} {host}', {
      path: `/${'x'.repeat(100_000)}`,
      base: `https://${'h'.repeat(9_000)}`,
    })
    expect(long).toBe(`/${'x'.repeat(118)}… ${'h'.repeat(119)}…`)
  })

  it('is cut at a whole character, within 639 bytes', () => {
    const text = filled(`${'{path}'.repeat(3)}`, { path: '🛣'.repeat(500) }) ?? ''
    expect(encodeUtf8(text).length).toBeLessThanOrEqual(639)
    expect(encodeUtf8(text).length).toBeGreaterThan(635)
    expect(text).toMatch(/^[🛣…]+$/u)
  })

  it('fits an invoice and shows no control character, whatever a request says', () => {
    const any = fc.oneof(fc.string({ unit: 'binary', maxLength: 800 }), fc.string({ maxLength: 800 }))
    const property = fc.property(any, any, any, (path, host, method) => {
      const text =
        filled('{method}{path}{host}{path}{host}{path}', { path, method, base: `https://${host}` }) ?? ''
      expect(encodeUtf8(text).length).toBeLessThanOrEqual(639)
      expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    })
    fc.assert(property)
  })
})

describe('the terms of a route', () => {
  it.each([
    ['{query}', /unknown name in braces, expected only \{service\}, .*\{host\}/],
    ['{Path}', /unknown name in braces/],
    ['{ path }', /unknown name in braces/],
    ['{}', /unknown name in braces/],
    ['{toString}', /unknown name in braces/],
    ['two\nlines', /one line of at most 639 bytes/],
    ['ä'.repeat(320), /one line of at most 639 bytes/],
  ])('take no memo such as %j', (memo, message) => {
    expect(memoFault(memo)).toMatch(message)
    expect(() => selling(memo)).toThrow(message)
    expect(() => selling(memo)).toThrow(RangeError)
  })

  it('have none on a free route', () => {
    expect(() => routeTerms('weather', '/x', { free: true, memo: 'x' })).toThrow(/expected no memo/)
    expect(memoFault('a { b } c'.replace('{ b }', '{'))).toBeUndefined()
  })
})

describe('a challenge that is handed out again', () => {
  const described = async (ask: ReturnType<typeof bench>['ask'], memo: string, path: string) => {
    const { invoice } = challengeOf(await ask(selling(memo), undefined, { path }))
    return { invoice, description: decodeInvoice(invoice).description }
  }

  it('goes to no request with another memo, and to all with the same', async () => {
    const { ask, gate } = bench({ challenges: {} })
    const paris = await described(ask, 'Forecast {path}', '/forecast/paris')
    const oslo = await described(ask, 'Forecast {path}', '/forecast/oslo')
    expect([paris.description, oslo.description]).toEqual([
      'Forecast /forecast/paris',
      'Forecast /forecast/oslo',
    ])
    expect(oslo.invoice).not.toBe(paris.invoice)
    expect(await described(ask, 'Forecast {path}', '/forecast/paris')).toEqual(paris)
    expect(gate.heldChallenges).toBe(2)
  })

  it('is shared by all paths where the memo does not depend on them', async () => {
    const { ask, gate } = bench({ challenges: {} })
    const one = await described(ask, '{service}: forecasts', '/forecast/paris')
    expect(one.description).toBe('weather: forecasts')
    expect(await described(ask, '{service}: forecasts', '/forecast/oslo')).toEqual(one)
    expect(gate.heldChallenges).toBe(1)
  })
})
