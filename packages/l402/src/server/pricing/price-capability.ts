import { encodeBase64Url, encodeUtf8 } from '../../core/bytes.ts'
import { atPrice } from '../../core/conditions/capabilities.ts'
import { sha256 } from '../../core/hash.ts'

/**
 * The capability that binds a credential to a price. It stands where the route's own would, which every mint puts in and no
 * holder can widen; a condition of its own could be appended by the holder of a credential that was sold without one.
 */
export function priceCapability(capability: string, priceMsat: bigint): string {
  return atPrice(capability, priceMsat)
}

/** The capability that binds a credential to what its price depends on. */
export function scopeCapability(capability: string, scope: string): string {
  return `${capability};of=${encodeBase64Url(sha256(encodeUtf8(scope)))}`
}

/** Whether a text could be taken for one of these. */
export function looksPriced(capability: string): boolean {
  return /;(?:msat|of)=/.test(capability)
}
