import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decodeHex, encodeHex } from '../bytes.ts'
import { L402Error } from '../errors.ts'
import { decodeInvoice } from './decode.ts'
import { encodeInvoice } from './encode.ts'
import type { Invoice, RouteHop } from './invoice.ts'

interface Vectors {
  privateKey: string
  valid: { name: string; invoice: string; expected: Record<string, unknown> }[]
  invalid: { name: string; invoice: string; error: string }[]
}

const file = new URL('../../../../../vectors/bolt11.json', import.meta.url)
const vectors: Vectors = JSON.parse(readFileSync(file, 'utf8'))
const privateKey = decodeHex(vectors.privateKey) as Uint8Array

// As the specification writes it: 589390x3312x1.
function channelText(id: bigint): string {
  return `${id >> 40n}x${(id >> 16n) & 0xffffffn}x${id & 0xffffn}`
}

function hopText(hop: RouteHop): unknown {
  return { ...hop, pubkey: encodeHex(hop.pubkey), shortChannelId: channelText(hop.shortChannelId) }
}

const hexOrNull = (bytes: Uint8Array | null): string | null => (bytes === null ? null : encodeHex(bytes))

function asJson(invoice: Invoice): Record<string, unknown> {
  const { expiresAt: _, ...rest } = invoice
  return {
    ...rest,
    amountMsat: invoice.amountMsat?.toString() ?? null,
    paymentHash: encodeHex(invoice.paymentHash),
    paymentSecret: encodeHex(invoice.paymentSecret),
    descriptionHash: hexOrNull(invoice.descriptionHash),
    payee: encodeHex(invoice.payee),
    routeHints: invoice.routeHints.map((hops) => hops.map(hopText)),
    metadata: hexOrNull(invoice.metadata),
    fallbackAddresses: invoice.fallbackAddresses.map((f) => ({ ...f, program: encodeHex(f.program) })),
    signature: encodeHex(invoice.signature),
  }
}

describe("the specification's examples", () => {
  it('are all there', () => {
    expect([vectors.valid.length, vectors.invalid.length]).toEqual([16, 10])
  })

  it.each(vectors.valid)('decodes: $name', ({ invoice, expected }) => {
    const decoded = decodeInvoice(invoice)
    // The specification prints the signature of most examples, but not of all.
    const { signature, recoveryId, ...printed } = asJson(decoded)
    expect('signature' in expected ? { ...printed, signature, recoveryId } : printed).toEqual(expected)
    expect(decoded.expiresAt).toBe(decoded.timestamp + decoded.expirySeconds)
  })

  it.each(vectors.invalid)('refuses: $name', ({ invoice, error }) => {
    expect(() => decodeInvoice(invoice)).toThrow(L402Error)
    expect(() => decodeInvoice(invoice)).toThrow(/^invalid invoice: expected .+, got .+/)
    expect(() => decodeInvoice(invoice)).toThrow(error)
  })

  // Those whose fields stand in this encoder's order.
  it.each([0, 1, 2, 3, 5, 9].map((i) => vectors.valid[i] as Vectors['valid'][number]))(
    'are written again byte for byte: $name',
    ({ invoice }) => {
      expect(encodeInvoice(decodeInvoice(invoice), privateKey)).toBe(invoice)
    },
  )

  it.each(vectors.valid.slice(0, 15))('keep their meaning when written again: $name', ({ invoice }) => {
    const { signature: _, recoveryId: __, ...first } = decodeInvoice(invoice)
    expect(decodeInvoice(encodeInvoice(first, privateKey))).toMatchObject(first)
  })
})
