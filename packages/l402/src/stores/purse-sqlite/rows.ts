/** Between rows and records. Integers are read as bigint, so that no amount loses a digit. */

import type { SQLInputValue, SQLOutputValue } from 'node:sqlite'
import type {
  PaymentIntent,
  PaymentRecord,
  PaymentState,
  ServedState,
  StoredCredential,
  StoredQuote,
} from '../purse.ts'

export type Row = Record<string, SQLOutputValue>
export type Parameters = Record<string, SQLInputValue>

function text(row: Row, column: string): string {
  return String(row[column])
}

function msat(row: Row, column: string): bigint {
  return BigInt(row[column] as bigint)
}

function integer(row: Row, column: string): number {
  return Number(row[column])
}

function bytes(row: Row, column: string): Uint8Array {
  return new Uint8Array(row[column] as Uint8Array)
}

function bytesOrNull(row: Row, column: string): Uint8Array | null {
  return row[column] === null ? null : bytes(row, column)
}

/** Named parameters of a new payment. */
export function intentParameters(intent: PaymentIntent): Parameters {
  return {
    payment_hash: intent.paymentHash,
    origin: intent.origin,
    host: intent.host,
    method: intent.method,
    url: intent.url,
    body_digest: intent.bodyDigest,
    scope: intent.scope,
    macaroon: intent.macaroon,
    invoice: intent.invoice,
    amount_msat: intent.amountMsat,
    max_fee_msat: intent.maxFeeMsat,
    payee: intent.payee,
    created_at_ms: intent.createdAtMs,
    expires_at: intent.expiresAt,
    wallet: intent.wallet,
    task: intent.task,
    order_ends_at_ms: intent.orderEndsAtMs ?? null,
    wallet_id: intent.walletId ?? null,
  }
}

/** A row of `payments`. */
export function paymentOf(row: Row): PaymentRecord {
  return {
    paymentHash: bytes(row, 'payment_hash'),
    origin: text(row, 'origin'),
    host: text(row, 'host'),
    method: text(row, 'method'),
    url: text(row, 'url'),
    bodyDigest: bytesOrNull(row, 'body_digest'),
    scope: text(row, 'scope'),
    macaroon: text(row, 'macaroon'),
    invoice: text(row, 'invoice'),
    amountMsat: msat(row, 'amount_msat'),
    maxFeeMsat: msat(row, 'max_fee_msat'),
    payee: text(row, 'payee'),
    createdAtMs: integer(row, 'created_at_ms'),
    expiresAt: integer(row, 'expires_at'),
    wallet: text(row, 'wallet'),
    task: text(row, 'task'),
    ...(row['order_ends_at_ms'] === null ? {} : { orderEndsAtMs: integer(row, 'order_ends_at_ms') }),
    ...(row['wallet_id'] === null ? {} : { walletId: text(row, 'wallet_id') }),
    state: text(row, 'state') as PaymentState,
    served: text(row, 'served') as ServedState,
    preimage: bytesOrNull(row, 'preimage'),
    feeMsat: msat(row, 'fee_msat'),
    lastStatus: integer(row, 'last_status'),
    detail: text(row, 'detail'),
    updatedAtMs: integer(row, 'updated_at_ms'),
  }
}

/** A row of `credentials`, with its scopes as a JSON list in `rejected_for`. */
export function credentialOf(row: Row): StoredCredential {
  return {
    id: text(row, 'id'),
    origin: text(row, 'origin'),
    macaroon: text(row, 'macaroon'),
    preimage: bytes(row, 'preimage'),
    paymentHash: bytes(row, 'payment_hash'),
    boughtFor: text(row, 'bought_for'),
    costMsat: msat(row, 'cost_msat'),
    createdAtMs: integer(row, 'created_at_ms'),
    lastUsedAtMs: integer(row, 'last_used_at_ms'),
    rejectedFor: JSON.parse(text(row, 'rejected_for')) as string[],
  }
}

/** Named parameters of a credential. */
export function credentialParameters(credential: StoredCredential): Parameters {
  return {
    id: credential.id,
    origin: credential.origin,
    macaroon: credential.macaroon,
    preimage: credential.preimage,
    payment_hash: credential.paymentHash,
    bought_for: credential.boughtFor,
    cost_msat: credential.costMsat,
    created_at_ms: credential.createdAtMs,
    last_used_at_ms: credential.lastUsedAtMs,
  }
}

/** A row of `quotes`. */
export function quoteOf(row: Row): StoredQuote {
  return {
    id: text(row, 'id'),
    requestUrl: text(row, 'request_url'),
    origin: text(row, 'origin'),
    host: text(row, 'host'),
    method: text(row, 'method'),
    url: text(row, 'url'),
    bodyDigest: bytesOrNull(row, 'body_digest'),
    macaroon: text(row, 'macaroon'),
    invoice: text(row, 'invoice'),
    createdAtMs: integer(row, 'created_at_ms'),
    expiresAt: integer(row, 'expires_at'),
  }
}

/** Named parameters of a quote. */
export function quoteParameters(quote: StoredQuote): Parameters {
  return {
    id: quote.id,
    request_url: quote.requestUrl,
    origin: quote.origin,
    host: quote.host,
    method: quote.method,
    url: quote.url,
    body_digest: quote.bodyDigest,
    macaroon: quote.macaroon,
    invoice: quote.invoice,
    created_at_ms: quote.createdAtMs,
    expires_at: quote.expiresAt,
  }
}
