/** What a backend says it has made, held against what it was asked for: its answers are taken as hostile (S4, S7). */

import { decodeUnverifiedInvoice, type UnverifiedInvoice } from '../../core/bolt11/index.ts'
import { equalBytes } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import type { CreatedInvoice } from '../backend.ts'

/** The next whole satoshi, in millisatoshi (rule S7). */
export function roundUpToSat(amountMsat: bigint): bigint {
  return ((amountMsat + 999n) / 1000n) * 1000n
}

/** The fields of an invoice. Throws `lightning_invalid` for what is none. */
export function readInvoice(who: string, text: unknown): UnverifiedInvoice {
  try {
    if (typeof text === 'string') return decodeUnverifiedInvoice(text)
  } catch {
    // The reason is of no use to anybody: the text is not the operator's.
  }
  throw new L402Error('lightning_invalid', `${who}: expected a BOLT 11 invoice, got something else`)
}

/** Checks an invoice that a backend made. Throws `lightning_invalid`. */
export function checkCreated(
  who: string,
  text: unknown,
  asked: {
    readonly amountMsat: bigint
    readonly network: Network
    /** Where the backend names it beside the invoice. */
    readonly paymentHash?: Uint8Array | undefined
  },
): CreatedInvoice {
  const facts = readInvoice(who, text)
  const wrong = (what: string): L402Error =>
    new L402Error('lightning_invalid', `${who}: made an invoice with another ${what} than asked for`)
  if (facts.network !== asked.network) throw wrong('network')
  if (facts.amountMsat !== asked.amountMsat) throw wrong('amount')
  if (asked.paymentHash !== undefined && !equalBytes(facts.paymentHash, asked.paymentHash))
    throw wrong('payment hash')
  return {
    invoice: String(text),
    paymentHash: facts.paymentHash,
    amountMsat: asked.amountMsat,
    expiresAt: facts.expiresAt,
  }
}
