import { decodeHex, equalBytes } from '../bytes.ts'
import { sha256 } from '../hash.ts'
import type { Condition } from './condition.ts'

/** `preimage=<64 hex digits>`: proof of payment (rules V3, V4). Repeated ones must be the same 32 bytes. */
export const preimage: Condition<Uint8Array> = {
  expected: '64 hex digits',
  parse: (value) => (value.length === 64 ? decodeHex(value) : undefined),
  narrows: equalBytes,
}

/** Whether the preimage is the payment hash's. */
export function provesPayment(preimage: Uint8Array, paymentHash: Uint8Array): boolean {
  return equalBytes(sha256(preimage), paymentHash)
}
