/** Credentials as a server sells them, without a payment, for tests of what verifies them. */

import { encodeBase64 } from '../src/core/bytes.ts'
import { attenuateMacaroon, mintMacaroon } from '../src/core/chain.ts'
import { formatCredential } from '../src/core/credential.ts'
import { sha256 } from '../src/core/hash.ts'
import { encodeIdentifier } from '../src/core/identifier.ts'
import { encodeMacaroon, type Macaroon } from '../src/core/macaroon.ts'
import { type KeyRing, keyRing } from '../src/server/keys.ts'

export const keys: KeyRing = keyRing([{ id: 'k1', masterKey: new Uint8Array(32).fill(7), active: true }])
export const preimage: Uint8Array = new Uint8Array(32).fill(0xab)
export const tokenId: Uint8Array = new Uint8Array(32).fill(0x11)

/** A macaroon that the keys sold for the service `weather`, with further caveats. */
export function sold(...more: readonly string[]): Macaroon {
  const identifier = encodeIdentifier({ paymentHash: sha256(preimage), tokenId })
  const caveats = ['services=weather:0', 'weather_capabilities=GET /forecast/*']
  const rootKey = keys.mintingKey(identifier)
  return attenuateMacaroon(mintMacaroon({ rootKey, identifier, location: 'weather', caveats }), more)
}

/** The header lines that present it. */
export function presented(macaroon: Macaroon): readonly string[] {
  return ['Authorization', formatCredential(encodeBase64(encodeMacaroon(macaroon)), preimage)]
}
