import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeUtf8 } from './bytes.ts'
import { encodeCaveat, formatCaveat, parseCaveat } from './caveat.ts'

describe('a caveat (protocol §3)', () => {
  it.each([
    ['services=svc:0', 'services', 'svc:0'],
    ['a=1=', 'a', '1='],
    ['note= a = b =', 'note', ' a = b ='],
    [' a = b', ' a ', ' b'],
    ['a=', 'a', ''],
    ['=b', '', 'b'],
    ['\ufeffa=b', '\ufeffa', 'b'],
    ['a=\n\0', 'a', '\n\0'],
  ])('%j is split at the first "=", and never trimmed', (text, condition, value) => {
    expect(parseCaveat(encodeUtf8(text))).toEqual({ condition, value })
  })

  it('is unknown without "=" or where it is not UTF-8', () => {
    expect(parseCaveat(encodeUtf8('a:1'))).toBeUndefined()
    expect(parseCaveat(new Uint8Array())).toBeUndefined()
    expect(parseCaveat(Uint8Array.of(0x61, 0x3d, 0xff))).toBeUndefined()
    expect(parseCaveat(Uint8Array.of(0x61, 0x3d, 0xed, 0xa0, 0x80))).toBeUndefined()
    expect(parseCaveat(Uint8Array.of(0x61, 0x3d, 0xc0, 0xaf))).toBeUndefined()
  })

  it('reads back as it was formatted', () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary-ascii' }))
    fc.assert(
      fc.property(text, text, (condition, value) => {
        fc.pre(condition !== '' && !condition.includes('='))
        expect(parseCaveat(encodeCaveat(formatCaveat(condition, value)))).toEqual({ condition, value })
      }),
    )
  })

  it('is never read with an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        parseCaveat(bytes)
      }),
    )
  })

  it('is not formatted from what would read back as something else', () => {
    expect(() => formatCaveat('', 'v')).toThrow(RangeError)
    expect(() => formatCaveat('a=b', 'c')).toThrow(RangeError)
    expect(() => encodeCaveat('no equals sign')).toThrow(RangeError)
    expect(() => encodeCaveat('=value')).toThrow(RangeError)
    expect(() => encodeCaveat('a=\ud800')).toThrow(RangeError)
  })
})
