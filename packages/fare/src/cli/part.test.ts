import { describe, expect, it } from 'vitest'
import { restOf, validatorOf } from './part.ts'

const DATE = 'Sat, 28 Nov 2026 10:00:00 GMT'

describe('what an answer can be known again by', () => {
  it.each([
    [{ etag: '"a"' }, '"a"'],
    [{ etag: 'W/"a"', 'last-modified': 'Sat, 28 Nov 2026 09:00:00 GMT', date: DATE }, null],
    [{ 'last-modified': 'Sat, 28 Nov 2026 09:59:59 GMT', date: DATE }, 'Sat, 28 Nov 2026 09:59:59 GMT'],
    [{ 'last-modified': DATE, date: DATE }, null],
    [{ 'last-modified': 'Sat, 28 Nov 2026 09:00:00 GMT' }, null],
    [{}, null],
  ])('of %j is %s', (headers, expected) => {
    expect(validatorOf(new Headers(headers as Record<string, string>))).toBe(expected)
  })
})

describe('the answer to a request for the rest', () => {
  const part = { offset: 10, validator: '"a"' }
  const kind = (status: number, range?: string, etag?: string) =>
    restOf(
      new Response(null, {
        status,
        headers: { ...(range && { 'content-range': range }), ...(etag && { etag }) },
      }),
      part,
    )

  it.each([
    [200, undefined, 'anew'],
    [206, 'bytes 10-19/20', 'rest'],
    [206, 'bytes 10-19/*', 'rest'],
    [206, 'bytes 9-19/20', 'useless'],
    [206, 'bytes 10-9/20', 'useless'],
    [206, 'bytes 10-20/20', 'useless'],
    [206, 'bytes */20', 'useless'],
    [206, 'lines 10-19/20', 'useless'],
    [206, undefined, 'useless'],
    [416, 'bytes */10', 'complete'],
    [416, 'bytes */9', 'outgrown'],
    [416, undefined, 'outgrown'],
    [404, undefined, 'useless'],
  ])('%s with %s is %s', (status, range, expected) => {
    expect(kind(status, range).kind).toBe(expected)
  })

  it('is not whole where the server sends a middle piece, and useless where it is of another version', () => {
    expect(kind(206, 'bytes 10-14/20')).toEqual({ kind: 'rest', whole: false })
    expect(kind(206, 'bytes 10-19/20', '"a"')).toEqual({ kind: 'rest', whole: true })
    expect(kind(206, 'bytes 10-19/20', '"b"').kind).toBe('useless')
  })
})
