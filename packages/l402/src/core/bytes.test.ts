import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeBase64,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
} from './bytes.ts'

const bytes = fc.uint8Array({ maxLength: 40 })

describe('hex', () => {
  it('is read in any case and written in lower case', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const text = Buffer.from(value).toString('hex')
        expect(encodeHex(value)).toBe(text)
        expect(decodeHex(text)).toEqual(value)
        expect(decodeHex(text.toUpperCase())).toEqual(value)
      }),
    )
  })

  it.each(['0', 'abc', '0g', ' 0', '00 ', '0x00', '１２', 'é0'])('is not %j', (text) => {
    expect(decodeHex(text)).toBeUndefined()
  })
})

describe('base64', () => {
  it('is read in both alphabets, padded or not, and written in the standard one with padding (S4, V1)', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const text = Buffer.from(value).toString('base64')
        expect(encodeBase64(value)).toBe(text)
        const url = Buffer.from(value).toString('base64url')
        for (const spelling of [text, text.replace(/=+$/, ''), url, url + text.slice(url.length)]) {
          expect(decodeBase64(spelling)).toEqual(value)
        }
      }),
    )
  })

  it.each([
    'A',
    'AAAAA',
    'AA=',
    'A===',
    'AAA==',
    'AAAA=',
    'AA==AA==',
    'AA=A',
    'AB==',
    'AAB=',
    'AA AA',
    'é',
    '====',
  ])('is not %j', (text) => {
    expect(decodeBase64(text)).toBeUndefined()
  })

  it('has one spelling per alphabet: what reads, writes back the same', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Da-d0-3+/]*={0,2}$/), (text) => {
        const read = decodeBase64(text)
        if (read !== undefined) expect(encodeBase64(read).replace(/=+$/, '')).toBe(text.replace(/=+$/, ''))
      }),
      { numRuns: 500 },
    )
  })
})

describe('UTF-8', () => {
  it('is read strictly, with a byte order mark kept', () => {
    expect(decodeUtf8(encodeUtf8('\uFEFFgrüß 🛣'))).toBe('\uFEFFgrüß 🛣')
    for (const wrong of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82]])
      expect(decodeUtf8(Uint8Array.from(wrong))).toBeUndefined()
  })
})

describe('comparing', () => {
  it('tells every difference in any place, and lengths', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (a, at, by) => {
          const b = a.slice()
          expect(equalBytes(a, b)).toBe(true)
          expect(equalBytes(a, a.subarray(1))).toBe(false)
          b[at % b.length] = (b[at % b.length] as number) ^ by
          expect(equalBytes(a, b)).toBe(false)
        },
      ),
    )
  })
})
