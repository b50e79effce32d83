import { createHash, randomBytes } from 'node:crypto'
import {
  attenuateMacaroon,
  encodeBase64,
  encodeHex,
  encodeIdentifier,
  encodeMacaroon,
  mintMacaroon,
} from '@turnpike/l402'
import type { StoredCredential } from '@turnpike/l402/client'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { secretFilter } from './secret-filter.ts'

function held(): { readonly credential: StoredCredential; readonly narrowed: string; readonly hex: string } {
  // Both alphabets of base64 must differ in it, or half of the cases would show nothing.
  for (;;) {
    const preimage = new Uint8Array(randomBytes(32))
    const paymentHash = new Uint8Array(createHash('sha256').update(preimage).digest())
    const identifier = encodeIdentifier({ paymentHash, tokenId: new Uint8Array(randomBytes(32)) })
    const minted = mintMacaroon({ rootKey: randomBytes(32), identifier, caveats: ['services=weathers:0'] })
    const macaroon = encodeBase64(encodeMacaroon(minted))
    const start = macaroon.slice(0, 90)
    if (!start.includes('/') || !start.includes('+')) continue
    const copy = attenuateMacaroon(minted, ['weather_max_calls=1'])
    return {
      credential: {
        id: 'x',
        origin: 'https://api.example.com',
        macaroon,
        preimage,
        paymentHash,
        boughtFor: '',
        costMsat: 0n,
        createdAtMs: 0,
        rejectedFor: [],
      } as unknown as StoredCredential,
      narrowed: encodeBase64(encodeMacaroon(copy)),
      hex: encodeHex(preimage),
    }
  }
}

const { credential, narrowed, hex } = held()
const { macaroon, preimage } = credential
const filter = secretFilter([credential])
const REMOVED = '[credential removed]'

const each = (text: string, from: string, to: string): string => text.replaceAll(from, to)
const signs = (text: string, spell: (code: number) => string): string =>
  text.replaceAll(/[/+=]/g, (sign) => spell(sign.charCodeAt(0)))
const hexOf = (code: number): string => code.toString(16)

const SPELLINGS: readonly (readonly [string, (text: string) => string])[] = [
  ['as it is', (text) => text],
  ['in small letters', (text) => text.toLowerCase()],
  ['in capitals', (text) => text.toUpperCase()],
  ['in the alphabet of URLs', (text) => each(each(text, '+', '-'), '/', '_')],
  ['as JSON of PHP', (text) => each(text, '/', '\\/')],
  ['as JSON with numbers', (text) => signs(text, (code) => `\\u00${hexOf(code)}`)],
  ['as JSON with numbers in capitals', (text) => signs(text, (code) => `\\u00${hexOf(code).toUpperCase()}`)],
  ['as JSON inside of JSON', (text) => JSON.stringify(each(text, '/', '\\/')).slice(1, -1)],
  ['as JSON inside of JSON, with numbers', (text) => signs(text, (code) => `\\\\u00${hexOf(code)}`)],
  ['for a URL', encodeURIComponent],
  ['for a URL, in small letters', (text) => signs(text, (code) => `%${hexOf(code)}`)],
  ['for a URL, twice', (text) => encodeURIComponent(encodeURIComponent(text))],
  ['for HTML, by hexadecimal number', (text) => signs(text, (code) => `&#x${hexOf(code).toUpperCase()};`)],
  ['for HTML, by number', (text) => signs(text, (code) => `&#${code};`)],
  ['for HTML, with zeros', (text) => signs(text, (code) => `&#x00${hexOf(code)};`)],
  ['for HTML, by name', (text) => each(each(each(text, '/', '&sol;'), '+', '&plus;'), '=', '&equals;')],
  ['for HTML, twice', (text) => signs(text, (code) => `&amp;#${code};`)],
  ['as a string of a program', (text) => signs(text, (code) => `\\x${hexOf(code)}`)],
  ['with every character escaped', (text) => text.replaceAll(/./g, (one) => `%${hexOf(one.charCodeAt(0))}`)],
]

describe('a secret that is held', () => {
  it.each(SPELLINGS)('is taken out of a text %s', (_, spell) => {
    for (const secret of [macaroon, narrowed, hex, encodeBase64(preimage)])
      expect(filter.text(`before "${spell(secret)}" after`)).toBe(`before "${REMOVED}" after`)
    const said = `L402 ${spell(macaroon)}:${spell(hex)}`
    expect(filter.text(said)).toBe(`L402 ${REMOVED}:${REMOVED}`)
  })

  it('is taken out as the hexadecimal text of gRPC', () => {
    const bytes = Buffer.from(narrowed, 'base64').toString('hex')
    for (const text of [bytes, bytes.toUpperCase()]) expect(filter.text(`<${text}>`)).toBe(`<${REMOVED}>`)
  })

  it('is found among many, an opaque one and one of the Payment scheme among them', () => {
    const others = Array.from({ length: 50 }, () => held().credential)
    const opaque = { ...credential, macaroon: 'a.token' }
    const payment = {
      ...credential,
      macaroon: `Payment ${Buffer.from('{"challenge":"x"}').toString('base64url')}`,
    }
    const many = secretFilter([...others, credential, opaque, payment])
    const text = `1 ${macaroon} 2 a.token 3 ${payment.macaroon} 4`
    expect(many.text(text)).toBe(`1 ${REMOVED} 2 ${REMOVED} 3 Payment ${REMOVED} 4`)
  })

  it('leaves all other text as it is, escapes and letters of other lengths included', () => {
    for (const text of [
      'İİİ %2F \\u002f &#x2F; \\/',
      `İ ${'\\'.repeat(1000)}x`,
      '100%',
      macaroon.slice(1, 90),
    ])
      expect(filter.text(text)).toBe(text)
    expect(filter.text(`İİ %2F ${hex} \\/ İ`)).toBe(`İİ %2F ${REMOVED} \\/ İ`)
    expect(secretFilter([]).text(macaroon)).toBe(macaroon)
  })
})

describe('over a stream', () => {
  /** What comes out where the bytes are parted at these places. */
  function streamed(bytes: Uint8Array, cuts: readonly number[]): Buffer {
    const stream = filter.stream()
    const out: Uint8Array[] = []
    let from = 0
    for (const cut of [...cuts].sort((a, b) => a - b)) {
      out.push(stream.push(bytes.subarray(from, cut)))
      from = cut
    }
    return Buffer.concat([...out, stream.push(bytes.subarray(from)), stream.end()])
  }

  const spelled = [macaroon, hex, encodeURIComponent(narrowed), each(macaroon, '/', '\\/')]

  it('is found wherever the chunks part it, and every other byte stays', () => {
    const bytes = fc.uint8Array({ maxLength: 40 })
    const part = fc.oneof(bytes, fc.constantFrom(...spelled))
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.array(fc.nat(4000)), (parts, cuts) => {
        // What stands around must be no more of the secret.
        const framed = (one: Uint8Array | string) =>
          Buffer.concat([Buffer.from('<'), Buffer.from(one), Buffer.from('>')])
        const sent = Buffer.concat(parts.map(framed))
        const left = parts.map((one) => framed(typeof one === 'string' ? REMOVED : one))
        expect(
          streamed(
            sent,
            cuts.map((cut) => Math.min(cut, sent.length)),
          ),
        ).toEqual(Buffer.concat(left))
      }),
    )
  })

  it('is found at the borders of what is looked through at once', () => {
    const size = 64 * 1024
    for (const border of [size - 8192, size, size + 8192])
      for (let before = 0; before <= 400; before += 57) {
        const filler = (length: number): Buffer => Buffer.alloc(length, '\u00e9', 'latin1')
        const [head, rest] = [filler(border - before), filler(size)]
        for (const secret of spelled) {
          const got = streamed(Buffer.concat([head, Buffer.from(secret), rest]), [border - 200, border])
          expect(got.equals(Buffer.concat([head, Buffer.from(REMOVED), rest]))).toBe(true)
        }
      }
  })

  it('is taken out to its end where it is longer than what is looked through at once', () => {
    for (const end of ['', '%2f', '%2']) {
      const long = `${macaroon.replace(/=+$/, '')}${'%2fAb'.repeat(80_000)}${end}`
      const left = end === '%2' ? '%2' : ''
      expect(streamed(Buffer.from(`<${long}>`), [100, 70_000, 300_001]).toString()).toBe(
        `<${REMOVED}${left}>`,
      )
    }
  })
})
