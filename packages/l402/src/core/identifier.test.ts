import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeHex } from './bytes.ts'
import { isL402Error } from './errors.ts'
import { decodeIdentifier, encodeIdentifier } from './identifier.ts'

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('an identifier (protocol §3)', () => {
  it('is a zero version, the payment hash and the token id', () => {
    const bytes = encodeIdentifier({
      paymentHash: new Uint8Array(32).fill(0x11),
      tokenId: new Uint8Array(32).fill(0x22),
    })
    expect(encodeHex(bytes)).toBe(`0000${'11'.repeat(32)}${'22'.repeat(32)}`)
  })

  it('reads back as it was written', () => {
    fc.assert(
      fc.property(hash, hash, (paymentHash, tokenId) => {
        expect(decodeIdentifier(encodeIdentifier({ paymentHash, tokenId }))).toEqual({ paymentHash, tokenId })
      }),
    )
  })

  it('keeps nothing of the bytes it was read from', () => {
    const bytes = Buffer.alloc(66, 7)
    bytes.writeUInt16BE(0)
    const id = decodeIdentifier(bytes)
    bytes.fill(0)
    expect(id.paymentHash).toEqual(new Uint8Array(32).fill(7))
    expect(id.tokenId).toEqual(new Uint8Array(32).fill(7))
  })

  it('is refused at any other length, also the 32 bytes of a bare payment hash', () => {
    for (const length of [0, 1, 32, 33, 65, 67, 8192]) {
      expect(() => decodeIdentifier(new Uint8Array(length))).toThrow(
        `invalid identifier: expected 66 bytes, got ${length}`,
      )
    }
  })

  it('is refused with another version', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 66, maxLength: 66 }), (bytes) => {
        fc.pre(bytes[0] !== 0 || bytes[1] !== 0)
        try {
          decodeIdentifier(bytes)
          return false
        } catch (error) {
          return isL402Error(error, 'malformed')
        }
      }),
    )
  })

  it('is not made of parts of another length', () => {
    const good = new Uint8Array(32)
    expect(() => encodeIdentifier({ paymentHash: new Uint8Array(31), tokenId: good })).toThrow(RangeError)
    expect(() => encodeIdentifier({ paymentHash: good, tokenId: new Uint8Array(33) })).toThrow(RangeError)
  })
})
