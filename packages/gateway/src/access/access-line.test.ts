import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AccessEntry, combinedLine, jsonLine } from './access-line.ts'

const entry: AccessEntry = {
  atMs: Date.UTC(2026, 10, 27, 23, 34, 1, 500),
  clientAddress: '192.0.2.7',
  method: 'GET',
  path: '/forecast/berlin',
  httpVersion: '1.1',
  status: 200,
  bodyBytes: 42,
  durationMs: 12.345,
  service: 'weather',
  route: 'GET /forecast/*',
  outcome: 'paid',
  reason: undefined,
  tokenId: 'ab'.repeat(32),
  referer: 'https://user:pass@example.com/page?token=secret#frag',
  userAgent: 'curl/8',
  traceId: undefined,
}

describe('the combined form', () => {
  it('is that of nginx and Apache', () => {
    expect(combinedLine(entry)).toBe(
      '192.0.2.7 - - [27/Nov/2026:23:34:01 +0000] "GET /forecast/berlin HTTP/1.1" 200 42 "https://example.com/page" "curl/8"\n',
    )
  })

  it('says what is not known with a dash, and 499 for a client that left', () => {
    const bare = {
      ...entry,
      path: '',
      status: 0,
      bodyBytes: undefined,
      referer: undefined,
      userAgent: undefined,
    }
    expect(combinedLine(bare)).toContain('"GET - HTTP/1.1" 499 - "-" "-"\n')
  })
})

it('says the same in JSON, and of a token only how it begins', () => {
  expect(JSON.parse(jsonLine(entry))).toEqual({
    time: '2026-11-27T23:34:01.500Z',
    client: '192.0.2.7',
    method: 'GET',
    path: '/forecast/berlin',
    protocol: 'HTTP/1.1',
    status: 200,
    bytes: 42,
    ms: 12.3,
    service: 'weather',
    route: 'GET /forecast/*',
    outcome: 'paid',
    tokenId: 'abababab',
    referer: 'https://example.com/page',
    userAgent: 'curl/8',
  })
})

it('is one line that fits a pipe, of printable bytes in the combined form, whatever a client sends', () => {
  const hostile = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
    maxLength: 3_000,
  })
  fc.assert(
    fc.property(hostile, hostile, hostile, (path, referer, userAgent) => {
      const combined = combinedLine({ ...entry, path, referer, userAgent })
      expect(combined).toMatch(/^[\x20-\x7e]+\n$/)
      // Quotes stand only where the form has them.
      expect(combined.split('"')).toHaveLength(7)
      const json = jsonLine({ ...entry, path, referer, userAgent })
      expect(json.indexOf('\n')).toBe(json.length - 1)
      expect(() => JSON.parse(json)).not.toThrow()
      expect(Buffer.byteLength(combined)).toBeLessThan(4_096)
    }),
  )
  const worst = '\u0001'.repeat(3_000)
  expect(
    Buffer.byteLength(jsonLine({ ...entry, path: worst, referer: worst, userAgent: worst })),
  ).toBeLessThan(16_384)
})
