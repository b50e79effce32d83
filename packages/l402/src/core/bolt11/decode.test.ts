import { bech32 } from '@scure/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes, encodeUtf8 } from '../bytes.ts'
import { isL402Error } from '../errors.ts'
import { decodeInvoice } from './decode.ts'
import { encodeInvoice } from './encode.ts'
import { FIELD, type InvoiceFields, MAX_INVOICE_LENGTH } from './invoice.ts'
import { publicKeyOf, signedHash, signInvoice } from './signature.ts'
import { bytesToWords, integerToWords } from './words.ts'

const privateKey = new Uint8Array(32).fill(7)
const otherKey = new Uint8Array(32).fill(8)
const bytes32 = (value: number): Uint8Array => new Uint8Array(32).fill(value)

const fields: InvoiceFields = {
  network: 'regtest',
  amountMsat: 10_000n,
  timestamp: 1_700_000_000,
  paymentHash: bytes32(1),
  paymentSecret: bytes32(2),
  description: 'ten calls',
}

const tagged = (type: number, words: readonly number[]): number[] => [
  type,
  ...integerToWords(words.length, 2),
  ...words,
]
const hashField = tagged(FIELD.p, bytesToWords(bytes32(1)))
const secretField = tagged(FIELD.s, bytesToWords(bytes32(2)))
const textField = tagged(FIELD.d, bytesToWords(encodeUtf8('tea')))
const needed = [...hashField, ...secretField, ...textField]

/** A well-signed invoice with any words in it. */
function signed(content: readonly number[], prefix = 'lnbc10n', negate = false): string {
  const data = [...integerToWords(1_700_000_000, 7), ...content]
  const signature = signInvoice(signedHash(prefix, data), privateKey)
  if (negate) signature.set(highS(signature.subarray(32, 64)), 32)
  return bech32.encode(prefix, [...data, ...bytesToWords(signature)], false)
}

function highS(low: Uint8Array): Uint8Array {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const s = low.reduce((value, byte) => value * 256n + BigInt(byte), 0n)
  const hex = (order - s).toString(16).padStart(64, '0')
  return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))
}

function refusal(text: string): string {
  try {
    decodeInvoice(text)
  } catch (error) {
    if (isL402Error(error, 'malformed')) return error.message
    throw error
  }
  return 'decoded'
}

describe('the prefix', () => {
  it.each([
    ['lnbc', 'mainnet', null],
    ['lntb', 'testnet', null],
    ['lntbs', 'signet', null],
    ['lnbcrt', 'regtest', null],
    ['lnsb', 'simnet', null],
    ['lnbc2', 'mainnet', 200_000_000_000n],
    ['lnbc21000000', 'mainnet', 2_100_000_000_000_000_000n],
    ['lnbcrt11', 'regtest', 1_100_000_000_000n],
    ['lntbs20m', 'signet', 2_000_000_000n],
    ['lntb2500u', 'testnet', 250_000_000n],
    ['lnbc10n', 'mainnet', 1_000n],
    ['lnbc1n', 'mainnet', 100n],
    ['lnbc10p', 'mainnet', 1n],
    ['lnbc21000000000000000000p', 'mainnet', 2_100_000_000_000_000_000n],
  ])('%s is %s, %s msat', (prefix, network, amountMsat) => {
    expect(decodeInvoice(signed(needed, prefix))).toMatchObject({ network, amountMsat })
  })

  it.each([
    ['lnbd', 'a prefix of'],
    ['ln', 'a prefix of'],
    ['bc', 'a prefix of'],
    ['xlnbc', 'a prefix of'],
    ['lnbcm', 'a prefix of'],
    ['lnbc0', 'leading zeros'],
    ['lnbc0m', 'leading zeros'],
    ['lnbc010m', 'leading zeros'],
    ['lnbc10x', 'm, u, n, p or no multiplier'],
    ['lnbc10mm', 'm, u, n, p or no multiplier'],
    ['lnbc10u5', 'm, u, n, p or no multiplier'],
    ['lnbc-1m', 'digits and letters'],
    ['lnbc1.5m', 'digits and letters'],
    ['lnbc15p', 'whole millisatoshis'],
    ['lnbc21000001', 'at most 21 million'],
    [`lnbc${'9'.repeat(60)}`, 'at most 21 million'],
  ])('%s is refused', (prefix, message) => {
    expect(refusal(signed(needed, prefix))).toContain(message)
  })
})

describe('the text', () => {
  const text = encodeInvoice(fields, privateKey)

  it('may be all upper case', () => {
    expect(decodeInvoice(text.toUpperCase())).toEqual(decodeInvoice(text))
  })

  it.each([
    ['nothing', ''],
    ['a URI scheme', `lightning:${text}`],
    ['space around it', ` ${text}`],
    ['a letter whose lower case is ASCII', text.toUpperCase().replace('K', '\u212a')],
    ['no separator', 'lnbc'],
    ['no prefix', text.slice(text.lastIndexOf('1'))],
    ['one character too few', text.slice(0, -1)],
    ['too many characters', 'lnbc1'.padEnd(MAX_INVOICE_LENGTH + 1, 'q')],
    ['a checksum of bech32m', text.slice(0, -6).concat('qqqqqq')],
  ])('with %s is refused', (_, wrong) => {
    expect(refusal(wrong)).toMatch(/^invalid invoice: expected .+, got .+/)
  })

  it('never decodes with one character changed', () => {
    const alphabet = '023456789acdefghjklmnpqrstuvwxyz1bio'
    for (let at = 0; at < text.length; at++) {
      for (const other of alphabet) {
        if (other === text[at]) continue
        expect(refusal(text.slice(0, at) + other + text.slice(at + 1))).not.toBe('decoded')
      }
    }
  })
})

describe('the fields', () => {
  it.each([
    ['payment hash', [...secretField, ...textField], 'payment hash'],
    ['payment secret', [...hashField, ...textField], 'payment secret'],
    ['description', [...hashField, ...secretField], 'neither'],
  ])('must hold a %s', (_, content, message) => {
    expect(refusal(signed(content))).toContain(message)
  })

  it('hold a description or its hash, not both', () => {
    expect(refusal(signed([...needed, ...tagged(FIELD.h, bytesToWords(bytes32(3)))]))).toContain('both')
  })

  it('of the wrong length are skipped, so that one of the right length counts', () => {
    const wrong = [FIELD.p, FIELD.s, FIELD.h, FIELD.n].flatMap((type) =>
      tagged(type, bytesToWords(new Uint8Array(30))),
    )
    expect(decodeInvoice(signed([...wrong, ...needed]))).toMatchObject({ paymentHash: bytes32(1) })
    expect(refusal(signed(wrong))).toContain('payment hash')
  })

  it('that stand twice count the first time', () => {
    const again = [
      ...tagged(FIELD.p, bytesToWords(bytes32(9))),
      ...tagged(FIELD.s, bytesToWords(bytes32(9))),
      ...tagged(FIELD.d, bytesToWords(encodeUtf8('coffee'))),
      ...[60, 61].flatMap((seconds) => tagged(FIELD.x, integerToWords(seconds))),
    ]
    expect(decodeInvoice(signed([...needed, ...again]))).toMatchObject({
      paymentHash: bytes32(1),
      paymentSecret: bytes32(2),
      description: 'tea',
      expirySeconds: 60,
    })
  })

  it.each([
    ['padding that is not zero', tagged(FIELD.p, [...bytesToWords(bytes32(1)).slice(0, -1), 1])],
    ['padding of a whole word', [...needed, ...tagged(FIELD.m, [0, 0, 0])]],
    ['a description that is not UTF-8', tagged(FIELD.d, bytesToWords(Uint8Array.of(0xff)))],
    ['an expiry with leading zeros', [...needed, ...tagged(FIELD.x, [0, 1])]],
    ['an expiry beyond any calendar', [...needed, ...tagged(FIELD.x, new Array(9).fill(31))]],
    ['a CLTV delta with leading zeros', [...needed, ...tagged(FIELD.c, [0, 18])]],
    ['features with leading zeros', [...needed, ...tagged(FIELD.features, [0, 8])]],
    ['a required feature nobody knows', [...needed, ...tagged(FIELD.features, [1, 0, 0, 0, 0])]],
    ['multi-part payments without a payment secret', [...needed, ...tagged(FIELD.features, [4, 0, 0, 0])]],
    ['an empty route hint', [...needed, ...tagged(FIELD.r, [])]],
    ['half a hop', [...needed, ...tagged(FIELD.r, bytesToWords(new Uint8Array(50)))]],
    [
      'a witness program of the wrong length',
      [...needed, ...tagged(FIELD.f, [0, ...bytesToWords(bytes32(1).subarray(1))])],
    ],
    ['a field that ends too late', [...needed, FIELD.m, 0, 3, 1]],
    ['a field without a length', [...needed, FIELD.m, 0]],
    ['a payee that is no point', [...needed, ...tagged(FIELD.n, bytesToWords(new Uint8Array(33)))]],
    ['another payee', [...needed, ...tagged(FIELD.n, bytesToWords(publicKeyOf(otherKey)))]],
  ])('with %s are refused', (_, content) => {
    expect(refusal(signed(content))).toMatch(/^invalid invoice: expected .+, got .+/)
  })

  it('of unknown types, unknown fallback versions and unknown optional features are ignored', () => {
    const content = [
      ...tagged(2, [1, 2, 3]),
      ...needed,
      ...tagged(FIELD.f, [19, 1]),
      ...tagged(FIELD.f, []),
      ...tagged(FIELD.features, [2, ...new Array(20).fill(0)]),
    ]
    expect(decodeInvoice(signed(content))).toMatchObject({ fallbackAddresses: [], features: [101] })
  })
})

describe('the signature', () => {
  it('may be high-S where the payee is recovered, and not where it is named', () => {
    expect(decodeInvoice(signed(needed, 'lnbc', true)).payee).toHaveLength(33)
    const named = [...needed, ...tagged(FIELD.n, bytesToWords(publicKeyOf(privateKey)))]
    expect(decodeInvoice(signed(named)).payee).toEqual(publicKeyOf(privateKey))
    expect(refusal(signed(named, 'lnbc', true))).toContain('low-S')
  })

  it('has a recovery id below 4', () => {
    const { prefix, words } = bech32.decode(signed(needed) as `${string}1${string}`, false)
    words[words.length - 1] = 4
    expect(refusal(bech32.encode(prefix, words, false))).toContain('recovery id')
  })
})

describe('hostile text', () => {
  const text = encodeInvoice({ ...fields, features: [8, 14, 17], includePayee: true }, privateKey)

  it('of any kind is refused as malformed', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 300 }),
          fc.string({ unit: fc.constantFrom(...'lnbc1qpzry9x8gf2tvdw0s3jn54khce6mua7'), maxLength: 300 }),
        ),
        (hostile) => {
          expect(refusal(hostile)).not.toBe('decoded')
        },
      ),
    )
  })

  it('made of an invoice by cutting, doubling and replacing throws nothing else', () => {
    fc.assert(
      fc.property(
        fc.nat(text.length),
        fc.nat(20),
        fc.string({ unit: fc.constantFrom(...'qpzry9x8gf2tvdw0s3jn54khce6mua7l1'), maxLength: 20 }),
        (at, cut, insert) => {
          const mutated = text.slice(0, at) + insert + text.slice(at + cut)
          if (mutated !== text) expect(refusal(mutated)).not.toBe('decoded')
        },
      ),
    )
  })

  it('with a checksum and a signature that hold throws nothing else', () => {
    const word = fc.integer({ min: 0, max: 31 })
    const exactly = (length: number) => fc.array(word, { minLength: length, maxLength: length })
    const field = fc
      .tuple(
        fc.constantFrom(...Object.values(FIELD)),
        fc.oneof(...[52, 53, 82].map(exactly), fc.array(word, { maxLength: 90 })),
      )
      .map(([type, words]) => tagged(type, words))
    const content = fc.oneof(
      fc.array(word, { maxLength: 200 }),
      fc.array(field, { maxLength: 8 }).map((f) => f.flat()),
    )
    fc.assert(
      fc.property(content, fc.boolean(), (words, complete) => {
        refusal(signed(complete ? [...needed, ...words] : words))
      }),
      { numRuns: 200 },
    )
  })

  it('of the greatest length is read quickly', () => {
    const hop = new Uint8Array(51).fill(2)
    const hints = Array.from({ length: 6 }, () =>
      tagged(FIELD.r, bytesToWords(concatBytes(...new Array(12).fill(hop)))),
    )
    const features = tagged(FIELD.features, new Array(500).fill(10))
    const worst = [
      signed([...needed, ...hints.flat(), ...features], 'lnbc'),
      signed([...needed, ...new Array(6000 - (6000 % 3)).fill(0)], 'lnbc'),
      'lnbc1'.padEnd(MAX_INVOICE_LENGTH, '1'),
      '1'.repeat(MAX_INVOICE_LENGTH),
      `lnbc${'9'.repeat(MAX_INVOICE_LENGTH - 200)}1${'q'.repeat(195)}`,
    ]
    for (const hostile of worst) {
      expect(hostile.length).toBeLessThanOrEqual(MAX_INVOICE_LENGTH)
      const start = performance.now()
      refusal(hostile)
      expect(performance.now() - start).toBeLessThan(1_000)
    }
  })
})
