import { L402Error } from './errors.ts'

/** What a macaroon's identifier says (protocol §3). */
export interface Identifier {
  /** 32 bytes: SHA-256 of the preimage that paying the invoice reveals. */
  readonly paymentHash: Uint8Array
  /** 32 bytes: random per purchase, kept when a holder tops up. */
  readonly tokenId: Uint8Array
}

const HASH_LENGTH = 32
/** Length of an encoded identifier in bytes: version, payment hash, token id. */
const IDENTIFIER_LENGTH = 2 + 2 * HASH_LENGTH

/** The 66 bytes of a version 0 identifier (protocol §3). Throws `RangeError` unless both parts are 32 bytes. */
export function encodeIdentifier(id: Identifier): Uint8Array {
  if (id.paymentHash.length !== HASH_LENGTH || id.tokenId.length !== HASH_LENGTH) {
    throw new RangeError('invalid identifier: expected a payment hash and a token id of 32 bytes each')
  }
  const bytes = new Uint8Array(IDENTIFIER_LENGTH)
  bytes.set(id.paymentHash, 2)
  bytes.set(id.tokenId, 2 + HASH_LENGTH)
  return bytes
}

/** Reads a version 0 identifier; throws `malformed` for any other length or version (protocol §3). */
export function decodeIdentifier(bytes: Uint8Array): Identifier {
  if (bytes.length !== IDENTIFIER_LENGTH) {
    throw new L402Error('malformed', `invalid identifier: expected 66 bytes, got ${bytes.length}`)
  }
  const version = ((bytes[0] as number) << 8) | (bytes[1] as number)
  if (version !== 0) {
    throw new L402Error('malformed', `invalid identifier: expected version 0, got ${version}`)
  }
  return {
    paymentHash: new Uint8Array(bytes.subarray(2, 2 + HASH_LENGTH)),
    tokenId: new Uint8Array(bytes.subarray(2 + HASH_LENGTH)),
  }
}
