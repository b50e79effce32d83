import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, encodeHex, encodeUtf8 } from './bytes.ts'
import { mintMacaroon, verifyChain } from './chain.ts'
import { isL402Error } from './errors.ts'
import { decodeMacaroon, encodeMacaroon } from './macaroon.ts'

/** One packet: its length in hex, the key, the data, a line feed. */
function packet(key: string, data: Uint8Array | string): Uint8Array {
  const body = typeof data === 'string' ? encodeUtf8(data) : data
  const length = (4 + key.length + 1 + body.length + 1).toString(16).padStart(4, '0')
  return concatBytes(encodeUtf8(`${length}${key} `), body, encodeUtf8('\n'))
}

const SIGNATURE = packet('signature', new Uint8Array(32).fill(0x5a))
const HEAD = concatBytes(packet('location', 'lsat'), packet('identifier', 'id'))

function refusal(...parts: readonly Uint8Array[]): string {
  try {
    decodeMacaroon(concatBytes(...parts))
  } catch (error) {
    if (isL402Error(error, 'malformed')) return error.message
    throw error
  }
  throw new Error('was read')
}

describe('version 1 packets', () => {
  it('read, with third-party caveats', () => {
    const m = decodeMacaroon(
      concatBytes(
        HEAD,
        packet('cid', 'a = b\n'),
        packet('cid', 'third'),
        packet('vid', 'secret'),
        packet('cl', 'https://third.example'),
        packet('cid', 'fourth'),
        packet('vid', 'secret'),
        packet('cl', ''),
        packet('cid', ''),
        SIGNATURE,
      ),
    )
    expect(m).toEqual({
      location: 'lsat',
      identifier: encodeUtf8('id'),
      caveats: [
        { id: encodeUtf8('a = b\n') },
        { id: encodeUtf8('third'), verificationId: encodeUtf8('secret'), location: 'https://third.example' },
        { id: encodeUtf8('fourth'), verificationId: encodeUtf8('secret') },
        { id: new Uint8Array() },
      ],
      signature: new Uint8Array(32).fill(0x5a),
    })
  })

  const cid = packet('cid', 'a=b')
  const upperCase = encodeUtf8(new TextDecoder().decode(packet('cid', 'abcde')).replace('000e', '000E'))
  it.each([
    ['no location', [packet('identifier', 'id'), SIGNATURE], 'a location packet'],
    ['no identifier', [packet('location', ''), SIGNATURE], 'an identifier packet'],
    [
      'identifier first',
      [packet('identifier', 'id'), packet('location', ''), SIGNATURE],
      'a location packet',
    ],
    ['no signature', [HEAD, cid], 'a packet length of four lower-case hex digits'],
    ['a short signature', [HEAD, packet('signature', 'short')], 'a signature of 32 bytes, got 5'],
    ['something after the signature', [HEAD, SIGNATURE, cid], 'nothing after the signature, got 12 bytes'],
    ['a line feed after the signature', [HEAD, SIGNATURE, encodeUtf8('\n')], 'nothing after'],
    ['a vid before its cid', [HEAD, packet('vid', 'x'), cid, SIGNATURE], 'a cid or signature packet'],
    ['a cl without a vid', [HEAD, cid, packet('cl', 'x'), SIGNATURE], 'a cid or signature packet'],
    [
      'a cl before its vid',
      [HEAD, cid, packet('cl', 'x'), packet('vid', 'x'), SIGNATURE],
      'a cid or signature',
    ],
    ['two vids', [HEAD, cid, packet('vid', 'x'), packet('vid', 'x'), SIGNATURE], 'a cid or signature packet'],
    ['an empty vid', [HEAD, cid, packet('vid', ''), SIGNATURE], 'a verification id of at least one byte'],
    ['an unknown key', [HEAD, packet('caveat', 'a=b'), SIGNATURE], 'a cid or signature packet'],
    ['a longer key', [HEAD, packet('cidx', 'a=b'), SIGNATURE], 'a cid or signature packet'],
    ['a key without a space', [HEAD, encodeUtf8('0008cid\n'), SIGNATURE], 'a cid or signature packet'],
    ['upper-case digits', [HEAD, upperCase, SIGNATURE], 'four lower-case hex digits'],
    ['no digits', [HEAD, encodeUtf8('00-8cid\n'), SIGNATURE], 'four lower-case hex digits'],
    ['a zero length', [HEAD, encodeUtf8('0000'), SIGNATURE], 'a cid or signature packet'],
    ['a length within the key', [HEAD, encodeUtf8('0005cid a=b\n'), SIGNATURE], 'a cid or signature packet'],
    [
      'a length past the end',
      [HEAD, encodeUtf8('ffffcid a=b\n')],
      'at most the 12 bytes left, got length 65535',
    ],
    ['no line feed', [HEAD, encodeUtf8('000bcid abc'), SIGNATURE], 'a packet that ends in a line feed'],
    [
      'a location that is not UTF-8',
      [packet('location', Uint8Array.of(255)), packet('identifier', ''), SIGNATURE],
      'UTF-8',
    ],
    [
      '65 caveats',
      [HEAD, ...Array.from({ length: 65 }, () => cid), SIGNATURE],
      'at most 64 caveats, got more',
    ],
  ])('with %s are refused', (_, parts, message) => {
    expect(refusal(...parts)).toContain(message)
  })

  it('of 64 caveats read', () => {
    const parts = Array.from({ length: 64 }, () => cid)
    expect(decodeMacaroon(concatBytes(HEAD, ...parts, SIGNATURE)).caveats.length).toBe(64)
  })

  it('of any macaroon verify, also after they are written as version 2', () => {
    const caveats = fc.array(
      fc.string({ unit: 'grapheme', maxLength: 30 }).map((value) => `c=${value}`),
      { maxLength: 8 },
    )
    const key = fc.uint8Array({ maxLength: 80 })
    fc.assert(
      fc.property(
        key,
        fc.uint8Array({ maxLength: 80 }),
        fc.string({ unit: 'grapheme' }),
        caveats,
        (rootKey, identifier, location, texts) => {
          const m = mintMacaroon({ rootKey, identifier, location, caveats: texts })
          const v1 = concatBytes(
            packet('location', location),
            packet('identifier', identifier),
            ...m.caveats.map((caveat) => packet('cid', caveat.id)),
            packet('signature', m.signature),
          )
          const read = decodeMacaroon(v1)
          expect(verifyChain(rootKey, read)).toBeDefined()
          const v2 = encodeMacaroon(read)
          expect(encodeHex(v2)).toBe(encodeHex(encodeMacaroon(m)))
          expect(verifyChain(rootKey, decodeMacaroon(v2))).toBeDefined()
        },
      ),
    )
  })

  it('throw nothing but malformed, whatever is in them', () => {
    const key = fc.constantFrom('location', 'identifier', 'cid', 'vid', 'cl', 'signature', 'x', '')
    const any = fc.oneof(
      fc.tuple(key, fc.uint8Array({ maxLength: 40 })).map(([name, data]) => packet(name, data)),
      fc.constantFrom(HEAD, SIGNATURE, encodeUtf8('0006')),
      fc.uint8Array({ maxLength: 8 }),
    )
    fc.assert(
      fc.property(fc.array(any, { maxLength: 10 }), (parts) => {
        try {
          decodeMacaroon(concatBytes(encodeUtf8('0'), ...parts))
          decodeMacaroon(concatBytes(HEAD, ...parts))
        } catch (error) {
          if (!isL402Error(error, 'malformed')) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })
})
