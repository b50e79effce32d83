import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeHex, encodeHex, encodeUtf8 } from './bytes.ts'
import { attenuateMacaroon, mintMacaroon, verifyChain } from './chain.ts'
import { isL402Error } from './errors.ts'
import { decodeMacaroon, encodeMacaroon, type Macaroon } from './macaroon.ts'

function readVectors<T>(name: string): readonly T[] {
  const file = new URL(`../../../../vectors/${name}`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')).macaroons
}

interface Vector {
  readonly name: string
  readonly rootKey: string
  readonly identifier: string
  readonly location: string
  readonly caveats: readonly string[]
  readonly signatures: readonly string[]
  readonly binary: string
}

interface GoVector extends Omit<Vector, 'caveats' | 'signatures' | 'binary'> {
  readonly caveats: readonly { id: string; verificationId?: string; location?: string }[]
  readonly signature: string
  readonly v1?: string
  readonly v2?: string
}

const vectors = readVectors<Vector>('l402-macaroon.json')
const goVectors = readVectors<GoVector>('go-macaroon.json')
const goBytes = goVectors.flatMap((vector) =>
  [vector.v1, vector.v2].filter((text) => text !== undefined).map((text) => ({ ...vector, text })),
)

function hex(text: string): Uint8Array {
  return decodeHex(text) as Uint8Array
}

describe('the chain of the vectors (protocol §3)', () => {
  it.each(vectors)('$name: mints the same bytes', (vector) => {
    const m = mintMacaroon({
      rootKey: hex(vector.rootKey),
      identifier: hex(vector.identifier),
      location: vector.location,
      caveats: vector.caveats,
    })
    expect(encodeHex(encodeMacaroon(m))).toBe(vector.binary)
  })

  it.each(vectors)('$name: has the same links, whoever adds the caveats', (vector) => {
    const rootKey = hex(vector.rootKey)
    const m = decodeMacaroon(hex(vector.binary))
    expect(verifyChain(rootKey, m)?.map(encodeHex)).toEqual(vector.signatures)
    let copy = mintMacaroon({ rootKey, identifier: hex(vector.identifier) })
    for (const [index, text] of vector.caveats.entries()) {
      expect(encodeHex(copy.signature)).toBe(vector.signatures[index])
      copy = attenuateMacaroon(copy, [text])
    }
    expect(encodeHex(copy.signature)).toBe(vector.signatures.at(-1))
  })

  it.each(vectors)('$name: does not hold under another key', (vector) => {
    const m = decodeMacaroon(hex(vector.binary))
    expect(verifyChain(encodeUtf8('another'), m)).toBeUndefined()
    expect(verifyChain(new Uint8Array(), m)).toBeUndefined()
  })
})

describe('macaroons made by gopkg.in/macaroon.v2', () => {
  it.each(goBytes)('$name: read from $text.length hex digits and verify', (vector) => {
    const m = decodeMacaroon(hex(vector.text))
    expect(m.location).toBe(vector.location)
    expect(encodeHex(m.identifier)).toBe(vector.identifier)
    expect(encodeHex(m.signature)).toBe(vector.signature)
    expect(m.caveats.map((c) => encodeHex(c.id))).toEqual(vector.caveats.map((c) => c.id))
    expect(m.caveats.map((c) => c.verificationId && encodeHex(c.verificationId))).toEqual(
      vector.caveats.map((c) => c.verificationId),
    )
    expect(m.caveats.map((c) => c.location)).toEqual(vector.caveats.map((c) => c.location))
    expect(verifyChain(hex(vector.rootKey), m)).toHaveLength(vector.caveats.length + 1)
    const written = encodeMacaroon(m)
    if (vector.v2 !== undefined) expect(encodeHex(written)).toBe(vector.v2)
    expect(verifyChain(hex(vector.rootKey), decodeMacaroon(written))).toBeDefined()
  })

  it('are there in both formats, and with third-party caveats', () => {
    expect(goVectors.length).toBe(8)
    expect(goVectors.filter((vector) => vector.v1 !== undefined).length).toBe(6)
    expect(goVectors.filter((v) => v.caveats.some((c) => c.verificationId !== undefined)).length).toBe(2)
  })
})

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((value) => `c=${value}`)
const minted = fc.record({
  rootKey: fc.uint8Array({ maxLength: 70 }),
  identifier: fc.uint8Array({ maxLength: 70 }),
  caveats: fc.array(text, { maxLength: 6 }),
})

describe('any macaroon', () => {
  it('verifies as minted, and with what a holder adds', () => {
    fc.assert(
      fc.property(minted, fc.array(text, { maxLength: 6 }), (options, added) => {
        const parent = mintMacaroon(options)
        const child = attenuateMacaroon(parent, added)
        const links = verifyChain(options.rootKey, parent)
        expect(links).toHaveLength(options.caveats.length + 1)
        expect(verifyChain(options.rootKey, child)?.slice(0, links?.length)).toEqual(links)
        expect(child).toEqual(mintMacaroon({ ...options, caveats: [...options.caveats, ...added] }))
      }),
    )
  })

  it('does not verify with a caveat left out, changed, or out of order', () => {
    fc.assert(
      fc.property(minted, fc.nat(), text, (options, at, other) => {
        fc.pre(options.caveats.length > 0)
        const m = mintMacaroon(options)
        const index = at % m.caveats.length
        const replaced = { id: encodeUtf8(other) }
        fc.pre(other !== options.caveats[index])
        const forgeries: Macaroon[] = [
          { ...m, caveats: m.caveats.toSpliced(index, 1) },
          { ...m, caveats: m.caveats.toSpliced(index, 1, replaced) },
          { ...m, caveats: [...m.caveats, replaced] },
          { ...m, identifier: new Uint8Array([...m.identifier, 0]) },
        ]
        const swapped = m.caveats.toReversed()
        if (options.caveats.some((caveat, i) => caveat !== options.caveats.at(-1 - i))) {
          forgeries.push({ ...m, caveats: swapped })
        }
        return forgeries.every((forgery) => verifyChain(options.rootKey, forgery) === undefined)
      }),
    )
  })
})

describe('one flipped bit', () => {
  /** Whether any byte string one bit away verifies; `skip` says which bytes are not signed. */
  function forgeable(bytes: Uint8Array, rootKey: Uint8Array, skip: (at: number) => boolean): string[] {
    const found: string[] = []
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const at = bit >> 3
      if (skip(at)) continue
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7))
      try {
        if (verifyChain(rootKey, decodeMacaroon(bytes)) !== undefined) found.push(`bit ${bit}`)
      } catch (error) {
        if (!isL402Error(error, 'malformed')) throw error
      }
      bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7))
    }
    return found
  }

  it.each(vectors.filter((vector) => vector.caveats.length < 10))(
    'in "$name" never verifies, wherever it is',
    (vector) => {
      const bytes = hex(vector.binary)
      const locationEnd = vector.location === '' ? 0 : 3 + vector.location.length
      expect(forgeable(bytes, hex(vector.rootKey), (at) => at >= 3 && at < locationEnd)).toEqual([])
    },
  )

  it('in version 1 packets never verifies outside the location', () => {
    for (const vector of goVectors.filter((v) => v.v1 !== undefined && v.caveats.length < 4)) {
      const bytes = hex(vector.v1 as string)
      const unsigned = [vector.location, ...vector.caveats.map((c) => c.location ?? '')]
        .filter((location) => location !== '')
        .map((location) => {
          const start = Buffer.from(bytes).indexOf(location)
          return { start, end: start + encodeUtf8(location).length }
        })
      const skip = (at: number) => unsigned.some(({ start, end }) => at >= start && at < end)
      expect(forgeable(bytes, hex(vector.rootKey), skip)).toEqual([])
    }
  })

  it('in any macaroon never verifies', () => {
    fc.assert(
      fc.property(minted, fc.nat(), (options, at) => {
        const bytes = encodeMacaroon(mintMacaroon(options))
        const bit = at % (bytes.length * 8)
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
        try {
          return verifyChain(options.rootKey, decodeMacaroon(bytes)) === undefined
        } catch (error) {
          return isL402Error(error, 'malformed')
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('minting and attenuating', () => {
  const rootKey = new Uint8Array(32)
  const identifier = new Uint8Array(66)
  const many = (n: number) => Array.from({ length: n }, (_, i) => `n=${i}`)

  it('keep the bounds of rule V6', () => {
    const full = mintMacaroon({ rootKey, identifier, caveats: many(64) })
    expect(verifyChain(rootKey, full)).toHaveLength(65)
    expect(() => attenuateMacaroon(full, ['a=b'])).toThrow(RangeError)
    expect(() => mintMacaroon({ rootKey, identifier, caveats: many(65) })).toThrow(RangeError)
    expect(() => mintMacaroon({ rootKey, identifier, caveats: [`a=${'x'.repeat(8192)}`] })).toThrow(
      RangeError,
    )
    expect(() => mintMacaroon({ rootKey, identifier, location: 'x'.repeat(8192) })).toThrow(RangeError)
  })

  it('want caveats that are condition=value, and do not repeat them in the message', () => {
    for (const caveat of ['no-equals-sign', '=value', 'lone=\ud800']) {
      expect(() => mintMacaroon({ rootKey, identifier, caveats: [caveat] })).toThrow(RangeError)
      expect(() => attenuateMacaroon(mintMacaroon({ rootKey, identifier }), [caveat])).toThrow(
        /^invalid caveat: expected [a-z= ]+$/,
      )
    }
  })

  it('answer plain arrays, equal to what is read back, on every platform', () => {
    const m = attenuateMacaroon(mintMacaroon({ rootKey, identifier, caveats: ['a=b'] }), ['c=d'])
    expect(decodeMacaroon(encodeMacaroon(m))).toEqual(m)
    for (const signature of [m.signature, ...(verifyChain(rootKey, m) ?? [])])
      expect(Object.getPrototypeOf(signature)).toBe(Uint8Array.prototype)
  })

  it('leave what they are given as it was', () => {
    const own = new Uint8Array(66)
    const parent = mintMacaroon({ rootKey, identifier: own, caveats: ['a=b'] })
    own.fill(1)
    const before = encodeHex(encodeMacaroon(parent))
    attenuateMacaroon(parent, ['c=d'])
    expect(encodeHex(encodeMacaroon(parent))).toBe(before)
    expect(verifyChain(rootKey, parent)).toBeDefined()
  })
})
