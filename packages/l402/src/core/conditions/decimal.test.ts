import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dpopJkt } from './dpop-jkt.ts'
import { maxCalls } from './max-calls.ts'
import { maxSpendMsat } from './max-spend-msat.ts'
import { validUntil } from './valid-until.ts'

const BAD = [
  ...[
    '',
    ' ',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '01',
    '00',
    '1e3',
    '0x10',
    '1.0',
    '1_000',
    '1,000',
    '1n',
    'NaN',
    'Infinity',
  ],
  ...['٣', '１', '1\n', '\u00001', '9223372036854775808', '18446744073709551616', '1'.repeat(8000)],
]

describe.each([
  ['_valid_until', validUntil],
  ['_max_calls', maxCalls],
  ['_max_spend_msat', maxSpendMsat],
])('%s (protocol §5)', (_, condition) => {
  it.each(BAD)('does not parse %j', (value) => {
    expect(condition.parse(value)).toBeUndefined()
  })

  it('parses decimal integers up to 2^63 - 1', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 63n - 1n), (value) => {
        expect(condition.parse(String(value))).toBe(value)
      }),
    )
    expect(condition.parse('9223372036854775807')).toBe(2n ** 63n - 1n)
  })

  it('narrows by being no greater', () => {
    expect(condition.narrows(5n, 5n)).toBe(true)
    expect(condition.narrows(4n, 5n)).toBe(true)
    expect(condition.narrows(6n, 5n)).toBe(false)
    expect(condition.narrows(2n ** 63n - 1n, 2n ** 63n - 2n)).toBe(false)
  })
})

describe('a counter', () => {
  it('has room while used and wanted together are within its limit', () => {
    expect(maxCalls.hasRoom(1n, 0n, 1n)).toBe(true)
    expect(maxCalls.hasRoom(1n, 1n, 1n)).toBe(false)
    expect(maxCalls.hasRoom(0n, 0n, 1n)).toBe(false)
    expect(maxSpendMsat.hasRoom(5000n, 3000n, 2000n)).toBe(true)
    expect(maxSpendMsat.hasRoom(5000n, 3000n, 2001n)).toBe(false)
  })
})

describe('dpop_jkt', () => {
  // RFC 7638 §3.1.
  const thumbprint = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'

  it('is a base64url SHA-256 thumbprint, and equal only to itself', () => {
    expect(dpopJkt.parse(thumbprint)).toBe(thumbprint)
    expect(dpopJkt.narrows(thumbprint, thumbprint)).toBe(true)
    expect(dpopJkt.narrows(`A${thumbprint.slice(1)}`, thumbprint)).toBe(false)
    expect(dpopJkt.admits(thumbprint, thumbprint)).toBe(true)
    expect(dpopJkt.admits(thumbprint, thumbprint.toLowerCase())).toBe(false)
  })

  it.each([
    '',
    thumbprint.slice(1),
    `${thumbprint}A`,
    `${thumbprint}=`,
    thumbprint.replace('-', '+'),
    thumbprint.replace('_', '/'),
    `${thumbprint.slice(0, -1)}t`,
    ` ${thumbprint.slice(1)}`,
  ])('does not parse %j', (value) => {
    expect(dpopJkt.parse(value)).toBeUndefined()
  })
})
