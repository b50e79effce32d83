/** Tokens that other purses keep in files: `l402.token` and `lsat.token` of lnget and of Aperture's client. */

import { encodeBase64, equalBytes } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import { assertPreimage, credentialIdOf } from '../stores/lib/purse-rules.ts'
import type { StoredCredential } from '../stores/purse.ts'
import { boundHash, readMacaroon } from './credential-facts.ts'

/** After the macaroon: payment hash, preimage, amount, fee (msat) and time (nanoseconds), all big-endian. */
const REST_BYTES = 32 + 32 + 8 + 8 + 8
const MOST_MACAROON = 8 * 1024
const LENGTH_BYTES = 4

/** Whether these bytes have the shape of a token file of lnget or Aperture; what is in it is not looked at. */
export function isTokenFile(file: Uint8Array): boolean {
  return macaroonEnd(file) !== undefined
}

/** Where the macaroon ends, in bytes of the right length. */
function macaroonEnd(file: Uint8Array): number | undefined {
  if (file.length <= LENGTH_BYTES + REST_BYTES) return undefined
  const length = new DataView(file.buffer, file.byteOffset).getUint32(0)
  const end = LENGTH_BYTES + length
  return length <= MOST_MACAROON && file.length === end + REST_BYTES ? end : undefined
}

/**
 * Reads one token file as a credential for {@link PurseStore.addCredential}. The file does not say whose it is: `origin`
 * (scheme, host, port) does. What it cost was paid out of another purse and is kept as `costMsat` for show only.
 *
 * Throws `malformed` for anything but a token file, for a pending one (it holds no preimage yet), and for one whose
 * macaroon is bound to another payment; `lightning_invalid` where the preimage does not prove the payment;
 * `TypeError` for an origin that is none.
 *
 * @example
 * const credential = readTokenFile(file, { origin: 'https://api.example.com' })
 * await purse.addCredential(credential)
 */
export function readTokenFile(file: Uint8Array, { origin }: { readonly origin: string }): StoredCredential {
  const url = URL.canParse(origin) ? new URL(origin) : undefined
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new TypeError('expected an origin such as https://api.example.com')
  const end = macaroonEnd(file)
  if (end === undefined) throw malformed('expected a token file of lnget or Aperture')
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const macaroon = encodeBase64(file.subarray(LENGTH_BYTES, end))
  const read = readMacaroon(macaroon)
  if (!read) throw malformed('the macaroon in the token file cannot be read')
  const paymentHash = file.slice(end, end + 32)
  const preimage = file.slice(end + 32, end + 64)
  if (preimage.every((byte) => byte === 0))
    throw malformed('the token is pending: it was not paid, or not known to be')
  assertPreimage(preimage, paymentHash)
  const bound = boundHash(read)
  if (bound && !equalBytes(bound, paymentHash))
    throw malformed('the macaroon in the token file is bound to another payment')
  return {
    id: credentialIdOf(macaroon, preimage),
    origin: url.origin,
    macaroon,
    preimage,
    paymentHash,
    boughtFor: '',
    costMsat: view.getBigUint64(end + 64) + view.getBigUint64(end + 72),
    createdAtMs: Number(view.getBigInt64(end + 80) / 1_000_000n),
    lastUsedAtMs: 0,
    rejectedFor: [],
  }
}

function malformed(message: string): L402Error {
  return new L402Error('malformed', message)
}
