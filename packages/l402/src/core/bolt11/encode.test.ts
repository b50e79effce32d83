import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_AMOUNT_MSAT } from '../amount.ts'
import type { Network } from '../network.ts'
import { decodeInvoice } from './decode.ts'
import { encodeInvoice } from './encode.ts'
import type { InvoiceFields } from './invoice.ts'
import { publicKeyOf } from './signature.ts'

const privateKey = new Uint8Array(32).fill(7)
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })

const hop = fc.record({
  pubkey: bytes(33),
  shortChannelId: fc.bigInt(0n, (1n << 64n) - 1n),
  feeBaseMsat: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  feeProportionalMillionths: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  cltvExpiryDelta: fc.integer({ min: 0, max: 0xffff }),
})

const fallback = fc.oneof(
  fc.record({ version: fc.constantFrom(0, 17, 18), program: bytes(20) }),
  fc.record({
    version: fc.integer({ min: 1, max: 16 }),
    program: fc.uint8Array({ minLength: 2, maxLength: 40 }),
  }),
)

const description = fc.oneof(
  fc.record({
    description: fc.string({ unit: 'grapheme', maxLength: 40 }),
    descriptionHash: fc.constant(null),
  }),
  fc.record({ description: fc.constant(null), descriptionHash: bytes(32) }),
)

const odd = fc.nat(2_556).map((n) => 2 * n + 1)

const invoice = fc
  .tuple(
    fc.record({
      network: fc.constantFrom<Network>('mainnet', 'testnet', 'signet', 'regtest', 'simnet'),
      amountMsat: fc.option(
        fc
          .tuple(
            fc.bigInt(1n, MAX_AMOUNT_MSAT),
            fc.constantFrom(1n, 100n, 100_000n, 100_000_000n, 100_000_000_000n),
          )
          .map(([msat, unit]) => (msat < unit ? msat : msat - (msat % unit))),
      ),
      timestamp: fc.integer({ min: 0, max: 2 ** 35 - 1 }),
      paymentHash: bytes(32),
      paymentSecret: bytes(32),
      expirySeconds: fc.oneof(fc.nat(100_000), fc.integer({ min: 0, max: 2 ** 40 - 1 })),
      minFinalCltvExpiry: fc.nat(2_016),
      routeHints: fc.array(fc.array(hop, { minLength: 1, maxLength: 4 }), { maxLength: 3 }),
      features: fc
        .uniqueArray(fc.oneof(fc.constantFrom(8, 24, 36, 48), odd), { maxLength: 5 })
        .map((bits) => [...new Set([14, ...bits])].sort((a, b) => a - b)),
      metadata: fc.option(fc.uint8Array({ maxLength: 60 })),
      fallbackAddresses: fc.array(fallback, { maxLength: 3 }),
      includePayee: fc.boolean(),
    }),
    description,
  )
  .map(([rest, text]): InvoiceFields => ({ ...rest, ...text }))

const fields: InvoiceFields = {
  network: 'mainnet',
  amountMsat: 1n,
  timestamp: 0,
  paymentHash: new Uint8Array(32),
  paymentSecret: new Uint8Array(32),
  description: '',
}

describe('encodeInvoice', () => {
  it('writes what decodeInvoice reads, for any fields', () => {
    fc.assert(
      fc.property(invoice, (written) => {
        const { includePayee: _, fallbackAddresses = [], ...rest } = written
        const text = encodeInvoice(written, privateKey)
        const read = decodeInvoice(text)
        expect(read).toMatchObject(rest)
        expect(read.fallbackAddresses).toMatchObject(fallbackAddresses)
        expect(read.payee).toEqual(publicKeyOf(privateKey))
        expect(read.expiresAt).toBe(written.timestamp + (written.expirySeconds ?? 3_600))
        expect(new Date(read.expiresAt * 1_000).getTime()).toBe(read.expiresAt * 1_000)
        expect(encodeInvoice(written, privateKey)).toBe(text)
      }),
    )
  })

  it('leaves defaults out and signs TLV onion and payment secret as required', () => {
    const read = decodeInvoice(encodeInvoice(fields, privateKey))
    expect(read).toMatchObject({ expirySeconds: 3_600, minFinalCltvExpiry: 18, features: [8, 14] })
    const explicit = { ...fields, expirySeconds: 3_600, minFinalCltvExpiry: 18, features: [14, 8] }
    expect(encodeInvoice(explicit, privateKey)).toBe(encodeInvoice(fields, privateKey))
    expect(decodeInvoice(encodeInvoice({ ...fields, features: [] }, privateKey)).features).toEqual([])
  })

  const hint = {
    pubkey: new Uint8Array(33),
    shortChannelId: 1n,
    feeBaseMsat: 1,
    feeProportionalMillionths: 1,
    cltvExpiryDelta: 1,
  }
  it.each<[string, Partial<InvoiceFields>]>([
    ['an amount of nothing', { amountMsat: 0n }],
    ['more money than there is', { amountMsat: MAX_AMOUNT_MSAT + 1n }],
    ['a timestamp of 36 bits', { timestamp: 2 ** 35 }],
    ['half a second', { timestamp: 0.5 }],
    ['a negative expiry', { expirySeconds: -1 }],
    ['a short payment hash', { paymentHash: new Uint8Array(31) }],
    ['a long payment secret', { paymentSecret: new Uint8Array(33) }],
    ['a description over 639 bytes', { description: 'é'.repeat(320) }],
    ['half a surrogate pair', { description: '\ud800' }],
    ['too much metadata', { metadata: new Uint8Array(640) }],
    ['an empty route hint', { routeHints: [[]] }],
    ['a hop without a whole key', { routeHints: [[{ ...hint, pubkey: new Uint8Array(32) }]] }],
    ['a channel id of 65 bits', { routeHints: [[{ ...hint, shortChannelId: 1n << 64n }]] }],
    ['a fee of 33 bits', { routeHints: [[{ ...hint, feeBaseMsat: 2 ** 32 }]] }],
    ['a feature bit that no field can hold', { features: [5_115] }],
    [
      'a witness version of the future',
      { fallbackAddresses: [{ version: 19, program: new Uint8Array(20) }] },
    ],
    ['more than may be read', { routeHints: new Array(8).fill(new Array(12).fill(hint)) }],
  ])('refuses %s', (_, wrong) => {
    expect(() => encodeInvoice({ ...fields, ...wrong }, privateKey)).toThrow(RangeError)
  })

  it('refuses a description together with a hash, and neither', () => {
    expect(() => encodeInvoice({ ...fields, descriptionHash: new Uint8Array(32) }, privateKey)).toThrow(
      TypeError,
    )
    expect(() => encodeInvoice({ ...fields, description: null }, privateKey)).toThrow(TypeError)
  })

  it.each([new Uint8Array(32), new Uint8Array(31).fill(1), new Uint8Array(32).fill(255)])(
    'refuses what is no private key',
    (wrong) => {
      expect(() => encodeInvoice(fields, wrong)).toThrow(RangeError)
    },
  )
})
