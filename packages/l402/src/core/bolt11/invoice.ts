import type { Network } from '../network.ts'

/**
 * Longest invoice text that is read: what the largest QR code holds in its densest mode (version 40, numeric), the
 * bound that LND uses too. BOLT 11 itself names none; with one, hostile text costs a bounded amount of work.
 */
export const MAX_INVOICE_LENGTH = 7089

/** BOLT 11's expiry where the `x` field is missing. */
export const DEFAULT_EXPIRY_SECONDS = 3600

/** BOLT 11's `min_final_cltv_expiry_delta` where the `c` field is missing. */
export const DEFAULT_MIN_FINAL_CLTV_EXPIRY = 18

/** Types of the tagged fields, by the letter that stands for them in the text. */
export const FIELD = {
  p: 1,
  r: 3,
  features: 5,
  x: 6,
  f: 9,
  d: 13,
  s: 16,
  n: 19,
  h: 23,
  c: 24,
  m: 27,
} as const

/** One channel of a route hint. */
export interface RouteHop {
  /** The node at the start of the channel, 33 bytes; not checked to be a point. */
  readonly pubkey: Uint8Array
  /** Block height (24 bits), transaction index (24) and output index (16) as one number. */
  readonly shortChannelId: bigint
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly cltvExpiryDelta: number
}

/** Where to pay on chain if Lightning fails. */
export interface FallbackAddress {
  /** Witness version 0 to 16, or 17 for P2PKH, 18 for P2SH. */
  readonly version: number
  /** Witness program or 20-byte hash. */
  readonly program: Uint8Array
  /** The same as an address of the invoice's network. */
  readonly address: string
}

/** A decoded invoice whose checksum and signature hold. */
export interface Invoice {
  readonly network: Network
  /** `null` where the payer chooses. */
  readonly amountMsat: bigint | null
  /** Unix seconds. */
  readonly timestamp: number
  /** Seconds from `timestamp` until the invoice can no longer be paid. */
  readonly expirySeconds: number
  /** Unix seconds: `timestamp + expirySeconds`. */
  readonly expiresAt: number
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** 32 bytes. */
  readonly paymentSecret: Uint8Array
  /** The payee's text: never trusted, not sanitised. `null` where only its hash is given. */
  readonly description: string | null
  /** SHA-256 of a description that stands elsewhere; exactly one of the two is given. */
  readonly descriptionHash: Uint8Array | null
  /** The payee's node key, 33 bytes: the `n` field, else recovered from the signature. */
  readonly payee: Uint8Array
  readonly minFinalCltvExpiry: number
  readonly routeHints: readonly (readonly RouteHop[])[]
  /** Numbers of the feature bits that are set, ascending. */
  readonly features: readonly number[]
  /** Bytes to hand back with the payment. */
  readonly metadata: Uint8Array | null
  readonly fallbackAddresses: readonly FallbackAddress[]
  /** 64 bytes, r then s. */
  readonly signature: Uint8Array
  /** 0 to 3. */
  readonly recoveryId: number
}

/** What {@link encodeInvoice} writes; a decoded {@link Invoice} fits. */
export interface InvoiceFields {
  readonly network: Network
  readonly amountMsat: bigint | null
  /** Unix seconds. */
  readonly timestamp: number
  /** 32 bytes. */
  readonly paymentHash: Uint8Array
  /** 32 bytes. */
  readonly paymentSecret: Uint8Array
  /** Exactly one of `description` (≤ 639 bytes of UTF-8) and `descriptionHash` (32 bytes) is given. */
  readonly description?: string | null
  readonly descriptionHash?: Uint8Array | null
  /** Default 3600. */
  readonly expirySeconds?: number
  /** Default 18. */
  readonly minFinalCltvExpiry?: number
  readonly routeHints?: readonly (readonly RouteHop[])[]
  /** Feature bits to set; default 8 and 14 (TLV onion and payment secret, both required). */
  readonly features?: readonly number[]
  /** ≤ 639 bytes. */
  readonly metadata?: Uint8Array | null
  readonly fallbackAddresses?: readonly Pick<FallbackAddress, 'version' | 'program'>[]
  /** Whether to write the payee's key (`n`), so that readers need no recovery. Default false. */
  readonly includePayee?: boolean
}
