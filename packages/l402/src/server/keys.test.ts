import { hkdfSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { deriveRootKey, keyRing } from './keys.ts'

const identifier = new Uint8Array(66).fill(3)
const older = { id: 'old', masterKey: new Uint8Array(32).fill(1), active: true }
const newer = { id: 'new', masterKey: new Uint8Array(64).fill(2), active: true }

describe('the root key of an identifier', () => {
  it('is HKDF-SHA256 of the master key with the identifier as info (protocol §4)', () => {
    const expected = new Uint8Array(hkdfSync('sha256', older.masterKey, new Uint8Array(), identifier, 32))
    expect(deriveRootKey(older.masterKey, identifier)).toEqual(expected)
    expect(keyRing([older]).mintingKey(identifier)).toEqual(expected)
  })
})

describe('a key ring', () => {
  it('mints with the last active key and tries all active ones, newest first', () => {
    const ring = keyRing([older, { ...newer, id: 'retired', active: false }, newer])
    expect(ring.mintingKey(identifier)).toEqual(deriveRootKey(newer.masterKey, identifier))
    expect([...ring.candidates(identifier)]).toEqual(
      [newer, older].map(({ masterKey }) => deriveRootKey(masterKey, identifier)),
    )
  })

  it('wants an active key, 32 bytes, and one key per id, and shows none of them', () => {
    const short = { ...older, masterKey: new Uint8Array(31).fill(0x5a) }
    expect(() => keyRing([])).toThrow(/at least one active key/)
    expect(() => keyRing([{ ...older, active: false }])).toThrow(/at least one active key/)
    expect(() => keyRing([short])).toThrow('invalid master key "old": expected at least 32 bytes, got 31')
    expect(() => keyRing([older, { ...newer, id: 'old' }])).toThrow(/one key per id/)
  })
})
