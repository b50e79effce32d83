import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { countReads } from '../../test/count-reads.ts'
import { hostileText } from '../../test/hostile-text.ts'
import { encodeBase64 } from './bytes.ts'
import { findL402Challenges, formatChallenge } from './challenge.ts'

const found = (scheme: 'L402' | 'LSAT' = 'L402') => [{ scheme, macaroon: 'TQ==', invoice: 'I' }]
const macaroon = new Uint8Array([0x4d])

describe('formatChallenge', () => {
  it('writes exactly the form that every deployed client reads (S2, S4)', () => {
    expect(formatChallenge({ macaroon, invoice: 'lnbc1x' })).toBe(
      'L402 macaroon="TQ==", invoice="lnbc1x", version="0", token="TQ=="',
    )
  })

  it('drops macaroon where the specification is to be met to the letter (S2)', () => {
    expect(formatChallenge({ macaroon, invoice: 'lnbc1x', strictSpec: true })).toBe(
      'L402 version="0", token="TQ==", invoice="lnbc1x"',
    )
  })

  it('can name the old scheme (S3)', () => {
    expect(formatChallenge({ macaroon, invoice: 'I', scheme: 'LSAT' })).toMatch(
      /^LSAT macaroon="TQ==", invoice="I"/,
    )
  })

  it('refuses what would not be a challenge', () => {
    expect(() => formatChallenge({ macaroon: new Uint8Array(0), invoice: 'I' })).toThrow(TypeError)
    for (const invoice of ['', 'a"b', 'a b', 'a\r\nSet-Cookie: x']) {
      expect(() => formatChallenge({ macaroon, invoice })).toThrow(TypeError)
    }
  })
})

describe('findL402Challenges (C1)', () => {
  it.each([
    'L402 macaroon="TQ==", invoice="I"',
    'L402 version="0", token="TQ==", invoice="I"',
    'L402 version="0", macaroon="TQ==", invoice="I"',
    'L402 macaroon="TQ==", invoice="I", version="0", token="TQ=="',
    'L402 invoice="I", macaroon="TQ=="',
    'L402 realm="a, L402 macaroon=X", macaroon="TQ==", invoice="I"',
    'L402 macaroon=TQ==, invoice=I',
    'L402 macaroon="TQ==",invoice="I"',
    'l402 macaroon="TQ==", invoice="I"',
    'L402   MACAROON = "TQ==" , Invoice= "I" ',
    'L402 version="0" macaroon="TQ==", invoice="I"',
    'L402 version=0 macaroon="TQ==", invoice="I"',
    'L402 macaroon="TQ==", invoice="I", __proto__="x", unknown=1',
    'L402 macaroon="TQ==", invoice="I", realm="never closed',
    'L402 macaroon="TQ==", invoice="I", token="TQ"',
    'Payment id="a", request="b", L402 macaroon="TQ==", invoice="I"',
    'Negotiate YII=, L402 macaroon="TQ==", invoice="I", Basic realm="x"',
    String.raw`Basic realm="\"", L402 macaroon="TQ==", invoice="I", Basic realm="`,
    String.raw`L402 macaroon="\T\Q==", invoice="I"`,
  ])('reads %s', (value) => {
    expect(findL402Challenges([value])).toEqual(found())
  })

  it('reads every line and every challenge, in order', () => {
    const lines = ['Payment id="a"', 'LSAT macaroon="TQ==", invoice="I"', 'lsat token="TQ==", invoice="I"']
    const all = [...found('LSAT'), ...found('LSAT')]
    expect(findL402Challenges(lines)).toEqual(all)
    expect(findL402Challenges([lines.join(', ')])).toEqual(all)
  })

  it('gives the text as the server wrote it, url-safe, unpadded or opaque', () => {
    for (const text of ['-_8', 'eyJh.eyJi.c2ln', 'TQ']) {
      expect(findL402Challenges([`L402 macaroon="${text}", invoice="I"`])[0]?.macaroon).toBe(text)
    }
  })

  it.each([
    ['no L402 challenge', 'Basic realm="L402 macaroon=TQ==, invoice=I"'],
    ['no invoice', 'L402 macaroon="TQ=="'],
    ['an empty invoice', 'L402 macaroon="TQ==", invoice=""'],
    ['no macaroon', 'L402 invoice="I"'],
    ['two different tokens', 'L402 macaroon="TQ==", token="Tg==", invoice="I"'],
    ['an empty token beside a macaroon', 'L402 macaroon="TQ==", token="", invoice="I"'],
    ['a macaroon that stands twice', 'L402 macaroon="TQ==", macaroon="TQ==", invoice="I"'],
    ['an invoice that stands twice', 'L402 macaroon="TQ==", invoice="I", Invoice="J"'],
    ['a macaroon that is cut off', 'L402 invoice="I", macaroon="TQ'],
    ['an invoice that is cut off', 'L402 macaroon="TQ==", invoice="I'],
    ['text after a macaroon', 'L402 macaroon=TQ== TQ==, invoice="I"'],
    ['an invoice that may go on', 'L402 macaroon="TQ==", invoice=I x=y'],
    ['a macaroon that no header can carry back', 'L402 macaroon="TQ==,x:y", invoice="I"'],
    ['a line break in the macaroon', 'L402 macaroon="TQ==\r\nX: y", invoice="I"'],
    ['a token68 only', 'L402 TQ=='],
    ["another scheme's parameters", 'L402 macaroon="TQ==", Payment invoice="I"'],
    ['a body, not a challenge', '{"macaroon":"TQ==","invoice":"I"}'],
  ])('passes over %s', (_, value) => {
    expect(findL402Challenges([value])).toEqual([])
  })

  const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 })
  const invoice = fc.stringMatching(/^ln[0-9a-z]{1,100}$/)
  const fields = fc.record({
    macaroon: bytes,
    invoice,
    strictSpec: fc.boolean(),
    scheme: fc.constantFrom('L402' as const, 'LSAT' as const),
  })
  const other = fc.constantFrom(
    'Payment id="x, y", realm="L402 macaroon=a, invoice=b"',
    'Negotiate YII+/==',
    String.raw`Basic realm="a \" L402 b", charset=UTF-8`,
    'Bearer',
    'Digest qop="auth, auth-int" , algorithm=MD5',
  )

  it('finds what formatChallenge wrote among other schemes, joined or separate', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fields, other), { maxLength: 8 }),
        fc.constantFrom(', ', ',', ' ,\t, '),
        (all, comma) => {
          const lines = all.map((one) => (typeof one === 'string' ? one : formatChallenge(one)))
          const expected = all.flatMap((one) =>
            typeof one === 'string'
              ? []
              : [{ scheme: one.scheme, macaroon: encodeBase64(one.macaroon), invoice: one.invoice }],
          )
          expect(findL402Challenges(lines)).toEqual(expected)
          expect(findL402Challenges([lines.join(comma)])).toEqual(expected)
        },
      ),
    )
  })

  it('never finds anything else in a challenge that was cut off', () => {
    fc.assert(
      fc.property(fields, fc.nat(), (one, at) => {
        const line = formatChallenge(one)
        const cut = findL402Challenges([line.slice(0, at % line.length)])
        for (const { macaroon: text, invoice: paid } of cut) {
          expect(text).toBe(encodeBase64(one.macaroon))
          expect(paid).toBe(one.invoice)
        }
      }),
    )
  })

  it('never throws on any text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (values) => void findL402Challenges(values)),
    )
  })

  it.each(Object.entries(hostileText))('is linear: %s', (_, make) => {
    for (const length of [8000, 64_000]) {
      const text = make(length)
      expect(countReads(() => findL402Challenges([text]))).toBeLessThan(12 * length)
    }
  })
})
