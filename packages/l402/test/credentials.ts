/** Macaroons, preimages and a short way to read header lines, for tests of the credential grammar. */

import { concatBytes, encodeBase64, encodeHex, encodeUtf8 } from '../src/core/bytes.ts'
import { parseCredentials } from '../src/core/credential.ts'
import { encodeMacaroon, type Macaroon } from '../src/core/macaroon.ts'

export const preimage = new Uint8Array(32).fill(0xab)
export const otherPreimage = new Uint8Array(32).fill(0xcd)
export const hex = encodeHex(preimage)
export const otherHex = encodeHex(otherPreimage)

export function macaroonWith(...caveats: string[]): Macaroon {
  return {
    location: 'lsat',
    identifier: new Uint8Array(66).fill(7),
    caveats: caveats.map((caveat) => ({ id: encodeUtf8(caveat) })),
    signature: new Uint8Array(32).fill(0xfe),
  }
}

/** The bytes with `a=b` appended, whatever the encoder would say to that. */
export function oneCaveatMore(macaroon: Macaroon): Uint8Array {
  const bytes = encodeMacaroon(macaroon)
  const tail = bytes.length - 35 // the end of the caveats and the signature field
  return concatBytes(bytes.subarray(0, tail), new Uint8Array([2, 3, 97, 61, 98, 0]), bytes.subarray(tail))
}

export const plain = macaroonWith('services=ab:0')
export const other = macaroonWith('services=cd:0')
export const paid = macaroonWith('services=a:0', `preimage=${hex}`)
export const base64 = (macaroon: Macaroon): string => encodeBase64(encodeMacaroon(macaroon))
export const macaroonHex = (macaroon: Macaroon): string => encodeHex(encodeMacaroon(macaroon))
export const M = base64(plain)
export const N = base64(other)

export function read(...headers: string[]): unknown {
  const result = parseCredentials(headers)
  if (!result.ok) return result.reason
  return result.credentials.map((one) => [base64(one.macaroon), encodeHex(one.preimage)])
}
