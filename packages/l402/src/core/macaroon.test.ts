import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, decodeBase64, decodeHex, encodeBase64, encodeHex, encodeUtf8 } from './bytes.ts'
import { mintMacaroon } from './chain.ts'
import { isL402Error } from './errors.ts'
import { decodeMacaroon, encodeMacaroon, type Macaroon, type MacaroonCaveat } from './macaroon.ts'

interface Vector {
  readonly name: string
  readonly identifier: string
  readonly location: string
  readonly caveats: readonly string[]
  readonly signatures: readonly string[]
  readonly binary: string
  readonly base64: string
}

const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../../../vectors/l402-macaroon.json', import.meta.url), 'utf8'),
).macaroons

function hex(text: string): Uint8Array {
  return decodeHex(text.replaceAll(' ', '')) as Uint8Array
}

function plain(m: Macaroon): unknown {
  return {
    location: m.location,
    identifier: encodeHex(m.identifier),
    signature: encodeHex(m.signature),
    caveats: m.caveats.map((caveat) => ({
      ...caveat,
      id: encodeHex(caveat.id),
      ...(caveat.verificationId && { verificationId: encodeHex(caveat.verificationId) }),
    })),
  }
}

function refusal(bytes: Uint8Array): string {
  try {
    decodeMacaroon(bytes)
  } catch (error) {
    if (isL402Error(error, 'malformed')) return error.message
    throw error
  }
  throw new Error('was read')
}

const SIGNATURE = `0620${'5a'.repeat(32)}`

describe('the macaroon vectors', () => {
  it('are all there', () => {
    expect(vectors.length).toBe(10)
  })

  it.each(vectors)('$name: reads', (vector) => {
    const bytes = hex(vector.binary)
    expect(plain(decodeMacaroon(bytes))).toEqual({
      location: vector.location,
      identifier: vector.identifier,
      signature: vector.signatures.at(-1),
      caveats: vector.caveats.map((text) => ({ id: encodeHex(encodeUtf8(text)) })),
    })
    expect(decodeBase64(vector.base64)).toEqual(bytes)
  })

  it.each(vectors)('$name: writes back byte for byte', (vector) => {
    const bytes = encodeMacaroon(decodeMacaroon(hex(vector.binary)))
    expect(encodeHex(bytes)).toBe(vector.binary)
    expect(encodeBase64(bytes)).toBe(vector.base64)
  })
})

describe('version 2 bytes (protocol §3)', () => {
  it.each([
    ['nothing', '', 'version 2 binary or version 1 packets, got neither'],
    ['another version', `01 0201aa 00 00 ${SIGNATURE}`, 'got neither'],
    ['JSON', '7b22', 'got neither'],
    ['only the version', '02', 'an identifier'],
    ['no identifier', `02 010161 00 00 ${SIGNATURE}`, 'an identifier'],
    ['identifier before location', `02 0201aa 010161 00 00 ${SIGNATURE}`, 'the end of the header'],
    ['location twice', `02 010161 010161 0201aa 00 00 ${SIGNATURE}`, 'an identifier'],
    ['identifier twice', `02 0201aa 0201aa 00 00 ${SIGNATURE}`, 'the end of the header'],
    ['a field of an unknown tag', `02 0201aa 0301aa 00 00 ${SIGNATURE}`, 'the end of the header'],
    ['no end of the header', `02 0201aa ${SIGNATURE}`, 'the end of the header'],
    ['no end of the caveat list', `02 0201aa 00 ${SIGNATURE}`, 'a caveat, got another field'],
    ['a caveat without an id', `02 0201aa 00 0401aa 00 00 ${SIGNATURE}`, 'a caveat, got another field'],
    ['an id twice', `02 0201aa 00 0201aa0201aa 00 00 ${SIGNATURE}`, 'the end of a caveat'],
    [
      'a verification id first',
      `02 0201aa 00 0401aa0201aa 00 00 ${SIGNATURE}`,
      'a caveat, got another field',
    ],
    ['a verification id twice', `02 0201aa 00 0201aa0401aa0401aa 00 00 ${SIGNATURE}`, 'the end of a caveat'],
    ['an empty verification id', `02 0201aa 00 0201aa0400 00 00 ${SIGNATURE}`, 'at least one byte, got none'],
    ['a location in a first-party caveat', `02 0201aa 00 010161 0201aa 00 00 ${SIGNATURE}`, 'no location in'],
    ['an empty one too', `02 0201aa 00 0100 0201aa 00 00 ${SIGNATURE}`, 'no location in'],
    ['no signature', '02 0201aa 00 00', 'a signature, got another field'],
    ['a short signature', `02 0201aa 00 00 061f${'5a'.repeat(31)}`, 'a signature of 32 bytes, got 31'],
    ['a long signature', `02 0201aa 00 00 0621${'5a'.repeat(33)}`, 'a signature of 32 bytes, got 33'],
    [
      'a cut signature',
      `02 0201aa 00 00 0620${'5a'.repeat(31)}`,
      'a field of at most the 31 bytes that follow',
    ],
    ['an end after the signature', `02 0201aa 00 00 ${SIGNATURE} 00`, 'nothing after the signature, got 1'],
    ['a second macaroon', `02 0201aa 00 00 ${SIGNATURE} 02 0201aa 00 00 ${SIGNATURE}`, 'nothing after'],
    ['a location that is not UTF-8', `02 0101ff 0201aa 00 00 ${SIGNATURE}`, 'a location in UTF-8'],
    ['a length in two bytes that fits one', `02 028100aa 00 00 ${SIGNATURE}`, 'the shortest spelling'],
    ['a zero length in two bytes', `02 028000 00 00 ${SIGNATURE}`, 'the shortest spelling'],
    ['a tag in two bytes', `02 820001aa 00 00 ${SIGNATURE}`, 'an identifier'],
    ['a length of 2^31', `02 028080808008 aa`, 'at most the 1 bytes that follow, got length 2147483648'],
    ['a length of 2^31 + 1', `02 028180808008 aa`, 'a length of at most 2^31'],
    ['a length of 2^32', `02 028080808010 aa`, 'a length of at most 2^31'],
    ['a length of 2^63', `02 0280808080808080808001 aa`, 'a length of at most five bytes'],
    ['an endless length', `02 02${'80'.repeat(100)}`, 'a length of at most five bytes'],
    ['a cut length', '02 0280', 'a whole length, got the end'],
    ['a length past the end', '02 0205aa', 'at most the 1 bytes that follow, got length 5'],
  ])('with %s are refused', (_, bytes, message) => {
    expect(refusal(hex(bytes))).toMatch(/^invalid macaroon: expected /)
    expect(refusal(hex(bytes))).toContain(message)
  })

  it('may have an empty identifier, caveats and location, which mean nothing here', () => {
    const m = decodeMacaroon(hex(`02 0100 0200 00 0200 00 00 ${SIGNATURE}`))
    expect(plain(m)).toEqual({
      location: '',
      identifier: '',
      caveats: [{ id: '' }],
      signature: '5a'.repeat(32),
    })
    expect(encodeHex(encodeMacaroon(m))).toBe(hexText(`02 0200 00 0200 00 00 ${SIGNATURE}`))
  })

  it('carry third-party caveats, with and without a location', () => {
    const text = `02 0201aa 00 010162 0201cc 0401dd 00 0201cc 0401dd 00 00 ${SIGNATURE}`
    const m = decodeMacaroon(hex(text))
    expect(plain(m)).toMatchObject({
      caveats: [
        { id: 'cc', location: 'b', verificationId: 'dd' },
        { id: 'cc', verificationId: 'dd' },
      ],
    })
    expect(encodeHex(encodeMacaroon(m))).toBe(hexText(text))
  })

  it('are not kept: neither a Buffer nor an array that changes afterwards changes the macaroon', () => {
    for (const make of [(b: Uint8Array) => Buffer.from(b), (b: Uint8Array) => b]) {
      const bytes = make(hex(`02 010161 0201aa 00 0201bb 00 00 ${SIGNATURE}`))
      const m = decodeMacaroon(bytes)
      const before = plain(m)
      bytes.fill(0)
      expect(plain(m)).toEqual(before)
    }
  })
})

function hexText(text: string): string {
  return text.replaceAll(' ', '')
}

describe('the bounds of rule V6', () => {
  const caveat = (text: string): MacaroonCaveat => ({ id: encodeUtf8(text) })
  const macaroon = (over: Partial<Macaroon>): Macaroon => ({
    location: '',
    identifier: new Uint8Array(66),
    caveats: [],
    signature: new Uint8Array(32),
    ...over,
  })
  const many = (n: number): MacaroonCaveat[] => Array.from({ length: n }, (_, i) => caveat(`n=${i}`))

  it('admit 64 caveats and not 65', () => {
    const bytes = encodeMacaroon(macaroon({ caveats: many(64) }))
    expect(decodeMacaroon(bytes).caveats.length).toBe(64)
    expect(() => encodeMacaroon(macaroon({ caveats: many(65) }))).toThrow('at most 64 caveats, got 65')
    const one = hex('020161 00')
    const header = bytes.subarray(0, 1 + 2 + 66 + 1)
    const tooMany = concatBytes(header, ...Array.from({ length: 65 }, () => one), hex('00'), hex(SIGNATURE))
    expect(refusal(tooMany)).toContain('at most 64 caveats, got more')
  })

  it('admit 8192 bytes and not 8193', () => {
    const room = 8192 - encodeMacaroon(macaroon({ caveats: [caveat('x'.repeat(200))] })).length + 200
    const largest = macaroon({ caveats: [caveat('x'.repeat(room))] })
    expect(encodeMacaroon(largest).length).toBe(8192)
    expect(decodeMacaroon(encodeMacaroon(largest)).caveats[0]?.id.length).toBe(room)
    const larger = macaroon({ caveats: [caveat('x'.repeat(room + 1))] })
    expect(() => encodeMacaroon(larger)).toThrow('at most 8192 bytes, got 8193')
    expect(refusal(new Uint8Array(8193).fill(2))).toContain('at most 8192 bytes, got 8193')
    expect(refusal(new Uint8Array(2 ** 24))).toContain('got 16777216')
  })

  it('are kept by what is written', () => {
    const vid = { id: new Uint8Array(1), verificationId: new Uint8Array() }
    expect(() => encodeMacaroon(macaroon({ signature: new Uint8Array(31) }))).toThrow(RangeError)
    expect(() => encodeMacaroon(macaroon({ location: '\ud800' }))).toThrow(RangeError)
    expect(() => encodeMacaroon(macaroon({ caveats: [{ ...caveat('a=b'), location: 'c' }] }))).toThrow(
      RangeError,
    )
    expect(() => encodeMacaroon(macaroon({ caveats: [vid] }))).toThrow(RangeError)
  })
})

const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const anyCaveat: fc.Arbitrary<MacaroonCaveat> = fc.oneof(
  fc.record({ id: bytes(200) }),
  fc.record({ id: bytes(20), verificationId: fc.uint8Array({ minLength: 1, maxLength: 80 }) }),
  fc.record({
    id: bytes(20),
    verificationId: fc.uint8Array({ minLength: 1, maxLength: 80 }),
    location: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  }),
)
const anyMacaroon: fc.Arbitrary<Macaroon> = fc.record({
  location: text,
  identifier: bytes(80),
  caveats: fc.array(anyCaveat, { maxLength: 12 }),
  signature: fc.uint8Array({ minLength: 32, maxLength: 32 }),
})

describe('any macaroon', () => {
  it('reads back as it was written', () => {
    fc.assert(
      fc.property(anyMacaroon, (m) => {
        expect(decodeMacaroon(encodeMacaroon(m))).toEqual(m)
      }),
      { numRuns: 500 },
    )
  })

  it('has one spelling: what reads, writes back byte for byte, but for an empty location', () => {
    fc.assert(
      fc.property(anyMacaroon, fc.nat(), fc.nat(255), (m, at, byte) => {
        const changed = encodeMacaroon(m)
        changed[at % changed.length] = byte
        fc.pre(changed[0] === 2 && !(changed[1] === 1 && changed[2] === 0))
        try {
          const read = decodeMacaroon(changed)
          fc.pre(read.caveats.every((caveat) => caveat.verificationId === undefined))
          expect(encodeMacaroon(read)).toEqual(changed)
        } catch (error) {
          if (!isL402Error(error, 'malformed')) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('no bytes at all', () => {
  const safe = (input: Uint8Array): void => {
    try {
      decodeMacaroon(input)
    } catch (error) {
      if (!isL402Error(error, 'malformed')) throw error
      expect(error.message).toMatch(/^invalid macaroon: expected [a-zA-Z0-9 ,:^-]+$/)
    }
  }

  it('throw anything but malformed: arbitrary ones', () => {
    const v2 = bytes(300).map((rest) => concatBytes(Uint8Array.of(2), rest))
    fc.assert(fc.property(fc.oneof(bytes(300), v2), safe), { numRuns: 2000 })
  })

  it('throw anything but malformed: sequences of fields, and damaged macaroons', () => {
    const field = fc.tuple(fc.nat(7), bytes(8)).map(([tag, data]) => Uint8Array.of(tag, data.length, ...data))
    const fields = fc
      .array(fc.oneof(field, fc.constant(Uint8Array.of(0)), fc.constant(hex(SIGNATURE))), { maxLength: 20 })
      .map((parts) => concatBytes(Uint8Array.of(2), ...parts))
    const damaged = fc.tuple(anyMacaroon, fc.nat(), bytes(4), fc.nat(4)).map(([m, at, insert, drop]) => {
      const whole = encodeMacaroon(m)
      const cut = at % whole.length
      return concatBytes(whole.subarray(0, cut), insert, whole.subarray(cut + drop))
    })
    fc.assert(fc.property(fc.oneof(fields, damaged), safe), { numRuns: 3000 })
  })
})

/** Bytes that stay reachable from a value: whole backing buffers once each, text, and 100 for every object. */
function footprint(value: unknown, seen = new Set<unknown>()): number {
  if (typeof value === 'string') return 2 * value.length
  if (typeof value !== 'object' || value === null || seen.has(value)) return 8
  seen.add(value)
  if (value instanceof ArrayBuffer) return value.byteLength
  if (value instanceof Uint8Array) return 100 + footprint(value.buffer, seen)
  return Object.values(value).reduce<number>((sum, part) => sum + 8 + footprint(part, seen), 100)
}

describe('64 caveats', () => {
  const texts = Array.from({ length: 64 }, (_, i) => `svc_valid_until=${1_900_000_000 - i}`)
  const mint = () =>
    mintMacaroon({
      rootKey: new Uint8Array(32),
      identifier: new Uint8Array(66),
      location: 'lsat',
      caveats: texts,
    })
  const encoded = encodeMacaroon(mint())

  /** The median of what one call allocates, as the heap and the buffers outside it grow. */
  function allocated(run: () => unknown): number {
    const samples: number[] = []
    const kept: unknown[] = []
    // Let the compilers finish first: they share the heap.
    for (let i = 0; i < 1000; i++) kept[0] = run()
    for (let i = 0; i < 101; i++) {
      const before = process.memoryUsage()
      kept[0] = run()
      const after = process.memoryUsage()
      samples.push(after.heapUsed + after.external - before.heapUsed - before.external)
    }
    return samples.sort((a, b) => a - b)[50] as number
  }

  it('take less than 64 KiB, minted or read or written', () => {
    const limit = 64 * 1024
    expect(footprint(mint())).toBeLessThan(limit)
    expect(footprint(decodeMacaroon(encoded))).toBeLessThan(limit)
    expect(footprint(encodeMacaroon(mint()))).toBeLessThan(limit)
  })

  it('allocate less than 64 KiB on the way, minted or read or written', () => {
    const minted = mint()
    const sizes = [
      allocated(mint),
      allocated(() => decodeMacaroon(encoded)),
      allocated(() => encodeMacaroon(minted)),
    ]
    for (const size of sizes) expect(size).toBeLessThan(64 * 1024)
  })
})
