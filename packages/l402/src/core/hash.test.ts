import { createHash, createHmac, hkdfSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeHex, encodeHex, encodeUtf8 } from './bytes.ts'
import { hkdfExpand, hkdfExtract } from './hash.ts'
import { hmacFromHash, hasher as node } from './lib/hasher-node.ts'
import { hasher as portable } from './lib/hasher-portable.ts'

const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)
const bytes = fc.uint8Array({ maxLength: 200 })

describe.each([
  ['node', node],
  ['portable', portable],
  ['node 24', { ...node, hmacSha256: hmacFromHash }],
])('the %s hasher', (_, hasher) => {
  it('answers arrays that own all of their memory', () => {
    const data = encodeUtf8('abc')
    for (const hash of [hasher.sha256(data), hasher.hmacSha256(data, data)])
      expect(hash.buffer.byteLength).toBe(32)
    expect(Object.getPrototypeOf(hasher.sha256(data))).toBe(Uint8Array.prototype)
  })

  it('is SHA-256 and HMAC-SHA256 for any bytes', () => {
    fc.assert(
      fc.property(bytes, bytes, (key, data) => {
        expect(hasher.sha256(data)).toEqual(plain(createHash('sha256').update(data).digest()))
        expect(plain(hasher.hmacSha256(key, data))).toEqual(
          plain(createHmac('sha256', key).update(data).digest()),
        )
      }),
    )
  })

  it('has a key for every text, and never the same for two', () => {
    expect(hasher.sha256Text('a')).toBe(hasher.sha256Text('a'))
    expect(hasher.sha256Text('a')).not.toBe(hasher.sha256Text('b'))
    expect(hasher.sha256Text('a').length).toBeLessThanOrEqual(64)
  })
})

describe('HKDF-SHA256 with an empty salt', () => {
  it('answers the first block of RFC 5869, appendix A.3', () => {
    const key = hkdfExtract(new Uint8Array(22).fill(0x0b))
    expect(encodeHex(key)).toBe('19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04')
    expect(hkdfExpand(key, new Uint8Array())).toEqual(
      decodeHex('8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d'),
    )
  })

  it('is what Node’s own answers, for any key and info', () => {
    fc.assert(
      fc.property(bytes, bytes, (key, info) => {
        expect(hkdfExpand(hkdfExtract(key), info)).toEqual(
          new Uint8Array(hkdfSync('sha256', key, new Uint8Array(), info, 32)),
        )
      }),
    )
  })
})
