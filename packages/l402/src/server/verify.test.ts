import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keys, preimage, presented, sold, tokenId } from '../../test/sold.ts'
import { decodeBase64, encodeBase64, encodeHex } from '../core/bytes.ts'
import { attenuateMacaroon, mintMacaroon } from '../core/chain.ts'
import { sha256 } from '../core/hash.ts'
import { encodeMacaroon, type Macaroon } from '../core/macaroon.ts'
import { keyRing } from './keys.ts'
import { judgeHeaders } from './verdict-cache.ts'
import { verifyCredential } from './verify.ts'

const macaroon = sold('weather_methods=GET')
const reasonOf = (m: Macaroon, proof: Uint8Array = preimage): string => {
  const verified = verifyCredential({ macaroon: m, preimage: proof }, keys)
  return verified.ok ? 'ok' : verified.reason
}

describe('verifying a credential', () => {
  it('answers who paid, and each caveat with the chain just after it', () => {
    const verified = verifyCredential({ macaroon, preimage }, keys)
    expect(verified).toMatchObject({
      ok: true,
      tokenId: encodeHex(tokenId),
      paymentHash: encodeHex(sha256(preimage)),
      identifier: { tokenId, paymentHash: sha256(preimage) },
    })
    if (!verified.ok) return
    expect(verified.caveats.map(({ caveat }) => caveat)).toEqual(macaroon.caveats)
    expect(verified.caveats.at(-1)?.signature).toEqual(macaroon.signature)
  })

  it('asks for the chain before the preimage: nobody learns of a preimage by guessing (protocol §2)', () => {
    const forged = { ...macaroon, signature: new Uint8Array(32) }
    expect(reasonOf(forged, new Uint8Array(32))).toBe('bad_signature')
    expect(reasonOf(forged)).toBe('bad_signature')
    expect(reasonOf(macaroon, new Uint8Array(32))).toBe('bad_preimage')
  })

  it('refuses an identifier that is not one before it derives a key from it', () => {
    for (const identifier of [new Uint8Array(32), new Uint8Array(67), new Uint8Array(66).fill(1, 0, 2)]) {
      const rootKey = keys.mintingKey(identifier)
      expect(reasonOf(mintMacaroon({ rootKey, identifier }))).toBe('malformed')
    }
  })

  it('knows nothing of another server’s keys', () => {
    const others = keyRing([{ id: 'k1', masterKey: new Uint8Array(32).fill(8), active: true }])
    expect(verifyCredential({ macaroon, preimage }, others)).toMatchObject({ reason: 'bad_signature' })
    expect(reasonOf(attenuateMacaroon(macaroon, ['note=x']))).toBe('ok')
  })
})

describe('one flipped bit in a credential', () => {
  const [, line = ''] = presented(macaroon)
  const [token = '', hex = ''] = line.slice('L402 '.length).split(':')
  const verifies = (text: string): boolean =>
    judgeHeaders(['Authorization', text], keys).credentials.length > 0

  it('never verifies, wherever it is in macaroon or preimage, but for the unsigned location', () => {
    const bytes = decodeBase64(token) as Uint8Array
    const location = { start: 3, end: 3 + macaroon.location.length }
    const flipped = (all: Uint8Array, bit: number): Uint8Array =>
      all.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    expect(verifies(`L402 ${encodeBase64(bytes)}:${hex}`)).toBe(true)
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      if (bit >> 3 >= location.start && bit >> 3 < location.end) continue
      expect(verifies(`L402 ${encodeBase64(flipped(bytes, bit))}:${hex}`), `bit ${bit}`).toBe(false)
    }
    for (let bit = 0; bit < 256; bit++)
      expect(verifies(`L402 ${token}:${encodeHex(flipped(preimage, bit))}`), `preimage ${bit}`).toBe(false)
  })

  it('never verifies as text, but where it only spells the same bytes in another way', () => {
    const spelling = (text: string): string | undefined => {
      const [, again, proof] = /^(?:l402|lsat)? *([^:]*):([0-9a-f]{64})$/i.exec(text) ?? []
      const read = again === undefined ? undefined : decodeBase64(again)
      return read && `${encodeBase64(read.fill(0, 3, 3 + macaroon.location.length))}:${proof?.toLowerCase()}`
    }
    expect(encodeMacaroon(macaroon).length).toBeGreaterThan(100)
    fc.assert(
      fc.property(fc.nat(8 * line.length - 1), (bit) => {
        const at = bit >> 3
        const code = line.charCodeAt(at) ^ (1 << (bit & 7))
        const text = line.slice(0, at) + String.fromCharCode(code) + line.slice(at + 1)
        if (verifies(text)) expect(spelling(text)).toBe(spelling(line))
      }),
      { numRuns: 2000 },
    )
  })
})
