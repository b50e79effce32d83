/**
 * The session intent of the lightning method (draft-lightning-session-00; protocol §6): a deposit is paid once, requests
 * draw on it, and what is left of it is paid back to an invoice of the client's.
 */

import { decodeHex } from '../bytes.ts'
import type { JsonObject } from './encoding.ts'

/** What a session's challenge asks for, besides what every challenge says. Amounts are decimal satoshis. */
export interface SessionRequest {
  /** What one unit costs. */
  readonly amount: string
  readonly currency: 'sat'
  /** What a unit is, for people. */
  readonly unitType?: string
  /** BOLT 11. */
  readonly depositInvoice: string
  /** Of the deposit, in lower-case hex: the session's name. */
  readonly paymentHash: string
  readonly depositAmount: string
  /** Seconds after which a session that nobody uses is closed. */
  readonly idleTimeout?: string
}

/** The request as the parameter `request` holds it. */
export function sessionRequest(request: SessionRequest): JsonObject {
  return { ...request }
}

/** What a client wants of a session. Ids and preimages are 32 bytes. */
export type SessionAction =
  | {
      readonly action: 'open'
      readonly preimage: Uint8Array
      /** BOLT 11 without an amount, not looked at yet. */
      readonly returnInvoice: string
      /** The client's wish, beyond the draft: nothing but the opening challenge is to open this session. */
      readonly pin: boolean
    }
  | { readonly action: 'bearer'; readonly sessionId: Uint8Array; readonly preimage: Uint8Array }
  | { readonly action: 'topUp'; readonly sessionId: Uint8Array; readonly preimage: Uint8Array }
  | { readonly action: 'close'; readonly sessionId: Uint8Array; readonly preimage: Uint8Array }

/** Longer than any invoice that can be decoded. */
const MAX_INVOICE_TEXT = 8_192

/** Reads a credential's payload; `undefined` for what is no action of a session. Unknown members are ignored. */
export function parseSessionAction(payload: JsonObject): SessionAction | undefined {
  const { action, returnInvoice } = payload
  if (action === 'open') {
    const preimage = bytes32(payload['preimage'])
    if (preimage === undefined || typeof returnInvoice !== 'string') return undefined
    if (returnInvoice === '' || returnInvoice.length > MAX_INVOICE_TEXT) return undefined
    return { action, preimage, returnInvoice, pin: payload['pin'] === true }
  }
  if (action !== 'bearer' && action !== 'topUp' && action !== 'close') return undefined
  const sessionId = bytes32(payload['sessionId'])
  const preimage = bytes32(payload[action === 'topUp' ? 'topUpPreimage' : 'preimage'])
  return sessionId === undefined || preimage === undefined ? undefined : { action, sessionId, preimage }
}

function bytes32(value: unknown): Uint8Array | undefined {
  const bytes = typeof value === 'string' ? decodeHex(value) : undefined
  return bytes?.length === 32 ? bytes : undefined
}

/** How paying back what was left of a session stands. `pending` is beyond the draft: nobody can say yet. */
export type RefundStatus = 'succeeded' | 'failed' | 'skipped' | 'pending'

/** Data of the events `payment-need-topup` and `session-timeout` in a stream. Satoshis. */
export interface SessionNeed {
  /** The deposit's payment hash in lower-case hex. */
  readonly sessionId: string
  readonly balanceSpent: number
  readonly balanceRequired: number
}
