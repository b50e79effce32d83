import { describe, expect, it } from 'vitest'
import type { PriceRequest, Quote } from '../pricer.ts'
import { expressionPricer } from './expression-pricer.ts'
import { ExpressionError } from './tokens.ts'

const REQUEST: PriceRequest = {
  service: 'weather',
  route: '/x',
  method: 'POST',
  path: '/v1/models/big',
  query: '?n=3&page-size=10&empty=',
  headers: ['X-Size', '40', 'x-twice', 'a', 'X-Twice', 'b'],
  bodyBytes: 1_500,
  clientAddress: '192.0.2.1',
}

function price(source: string, more: Partial<PriceRequest> = {}): Quote | Promise<Quote> {
  return expressionPricer(source).price({ ...REQUEST, ...more }, new AbortController().signal)
}

describe('expressions', () => {
  it.each<[string, bigint]>([
    ['10 sat', 10_000n],
    ['1.5 sat + 1 msat', 1_501n],
    ['10 sat + 1 msat * bytes', 11_500n],
    ['2 * 3 sat', 6_000n],
    ['10 sat - 2 sat - 3 sat', 5_000n],
    ['1 sat + 2 sat * 3', 7_000n],
    ['(1 sat + 2 sat) * 3', 9_000n],
    ['10 sat / 3', 3_334n],
    ['10 sat / 3 * 3', 10_000n],
    ['1 sat * 0.5', 500n],
    ['1 sat * ceil(bytes / 1024)', 2_000n],
    ['1 sat * floor(bytes / 1000)', 1_000n],
    ['ceil(1 msat / 2)', 1n],
    ['max(1 sat, 1 msat * bytes)', 1_500n],
    ['min(1 sat, 5 sat, 1 msat * bytes)', 1_000n],
    ['1 sat * query.n', 3_000n],
    ['1 sat * int(query("page-size"))', 10_000n],
    ['1 sat * int(query.none, 7)', 7_000n],
    ['1 sat * int(query.empty, 7)', 7_000n],
    ['1 msat * header("X-SIZE")', 40n],
    ['path[2] == "big" ? 9 sat : 1 sat', 9_000n],
    ["path[7] == '' ? 2 sat : 1 sat", 2_000n],
    ['path == "/v1/models/big" && method != "GET" ? 3 sat : 1 sat', 3_000n],
    ['query.n > 2 || 1 / 0 == 1 ? 4 sat : 1 sat', 4_000n],
    ['!(bytes >= 1500) ? 1 sat : bytes == 1500 ? 5 sat : 2 sat', 5_000n],
    ['-1 sat + 2 sat', 1_000n],
    ['1 sat * (query.none == "" ? 1 : query.none)', 1_000n],
    ['-1 / -2 * 1 sat', 500n],
  ])('%s is %d msat', (source, amountMsat) => {
    expect(price(source)).toEqual({ state: 'priced', amountMsat })
  })

  it('are free only where they say so', () => {
    expect(price('bytes > 1000 ? free() : 1 sat')).toEqual({ state: 'free' })
    expect(price('0 sat')).toMatchObject({ state: 'failed', why: 'invalid' })
    expect(price('1 sat * 0')).toMatchObject({ state: 'failed', why: 'invalid' })
  })

  it.each([
    ['1 sat - 2 sat', 'less than nothing'],
    ['1 sat / (bytes - 1500)', 'divided by 0'],
    ['21000000 btc * 2', 'more than there is'],
    [`1 sat${' * 999999999999999999999999999999'.repeat(8)}`, 'too large'],
  ])('%s has no price', (source, detail) => {
    expect(price(source)).toMatchObject({
      state: 'failed',
      why: 'invalid',
      detail: expect.stringContaining(detail),
    })
  })

  it.each<[string, Partial<PriceRequest>, string]>([
    ['1 sat * bytes', { bodyBytes: null }, 'Content-Length'],
    ['1 sat * query.n', { query: '' }, 'query n'],
    ['1 sat * query.n', { query: '?n=1&n=100' }, 'at most once'],
    ['1 sat * query.n', { query: '?n=1;n=100' }, 'at most once'],
    ['1 sat * query.n', { query: '?n=1&n[]=100' }, 'at most once'],
    ['1 sat * query.n', { query: '?n=1&%6e=100' }, 'at most once'],
    ['1 sat * query.n', { query: '?n=1e3' }, 'whole number'],
    ['1 sat * query.n', { query: '?n=-1' }, 'whole number'],
    ['1 sat * query.n', { query: '?n=01' }, 'whole number'],
    ['1 sat * query.n', { query: '?n=1.5' }, 'whole number'],
    ['header("x-twice") == "a" ? 1 sat : 2 sat', {}, 'at most one x-twice line'],
  ])('%s has no price for a request with %o', (source, more, detail) => {
    expect(price(source, more)).toMatchObject({
      state: 'failed',
      why: 'unpriceable',
      detail: expect.stringContaining(detail),
    })
  })

  it.each<[string, number, string]>([
    ['', 0, 'expected a number, an amount'],
    ['10', 0, 'the whole is a number, expected an amount'],
    ['"x"', 0, 'the whole is a text'],
    ['bytes > 1', 0, 'the whole is true or false'],
    ['10 sats 5', 8, 'expected the end'],
    ['10 eur', 3, 'expected a unit'],
    ['0.5 msat', 0, 'whole millisatoshis'],
    ['1 sat + 1', 8, 'this is a number, expected an amount'],
    ['1 sat * 2 sat', 8, 'this is an amount, expected a number'],
    ['1 / 1 sat', 4, 'this is an amount, expected a number'],
    ['free() + 1 sat', 0, 'nothing can be reckoned with free()'],
    ['bytes ? 1 sat : 2 sat', 0, 'this is a number, expected true or false'],
    ['true ? 1 sat : 2 sat', 0, 'expected a number, an amount'],
    ['bytes > 1 ? 1 sat : "x"', 20, 'this is a text, expected an amount'],
    ['path < "x" ? 1 sat : 2 sat', 0, 'texts have no order'],
    ['path[x] == "a" ? 1 sat : 2 sat', 5, 'the number of a segment'],
    ['header(x)', 7, 'a name in quotes'],
    ['min(1 sat)', 0, 'two or more'],
    ['(1 sat', 6, 'expected ")"'],
    ['1 sat + "x', 8, 'a text without an end'],
    ['1 sat; 2', 5, 'means nothing here'],
    ['process.exit()', 0, 'expected a number, an amount'],
    [`${'('.repeat(40)}1 sat${')'.repeat(40)}`, 32, 'at most 32 levels'],
    [`1 sat${' '.repeat(1000)}`, 1000, 'at most 1000 characters'],
  ])('%s is refused at character %d + 1', (source, offset, message) => {
    const read = (): unknown => expressionPricer(source)
    expect(read).toThrow(ExpressionError)
    expect(read).toThrow(message)
    expect(read).toThrow(expect.objectContaining({ offset }))
  })
})
