import type { RouteHop } from './invoice.ts'
import { malformed } from './malformed.ts'
import { bytesToWords, type Words, wordsToBytes } from './words.ts'

// pubkey 33, short channel id 8, base fee 4, proportional fee 4, CLTV delta 2
const HOP_LENGTH = 51

/** One `r` field: one or more hops in the order of the route. */
export function decodeRouteHint(words: Words): readonly RouteHop[] {
  const bytes = wordsToBytes(words)
  if (bytes === undefined || bytes.length === 0 || bytes.length % HOP_LENGTH !== 0) {
    throw malformed(`one or more hops of ${HOP_LENGTH} bytes in field r`, `${words.length} words`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const hops: RouteHop[] = []
  for (let at = 0; at < bytes.length; at += HOP_LENGTH) {
    hops.push({
      pubkey: bytes.slice(at, at + 33),
      shortChannelId: view.getBigUint64(at + 33),
      feeBaseMsat: view.getUint32(at + 41),
      feeProportionalMillionths: view.getUint32(at + 45),
      cltvExpiryDelta: view.getUint16(at + 49),
    })
  }
  return hops
}

/** The words of one `r` field. */
export function encodeRouteHint(hops: readonly RouteHop[]): number[] {
  if (hops.length === 0) throw new RangeError('a route hint needs at least one hop')
  const bytes = new Uint8Array(hops.length * HOP_LENGTH)
  const view = new DataView(bytes.buffer)
  hops.forEach((hop, i) => {
    const at = i * HOP_LENGTH
    if (hop.pubkey.length !== 33) throw new RangeError('pubkey of a hop must be 33 bytes')
    if (hop.shortChannelId < 0n || hop.shortChannelId >= 1n << 64n) {
      throw new RangeError('shortChannelId must fit in 64 bits')
    }
    checkUnsigned(hop.feeBaseMsat, 'feeBaseMsat', 32)
    checkUnsigned(hop.feeProportionalMillionths, 'feeProportionalMillionths', 32)
    checkUnsigned(hop.cltvExpiryDelta, 'cltvExpiryDelta', 16)
    bytes.set(hop.pubkey, at)
    view.setBigUint64(at + 33, hop.shortChannelId)
    view.setUint32(at + 41, hop.feeBaseMsat)
    view.setUint32(at + 45, hop.feeProportionalMillionths)
    view.setUint16(at + 49, hop.cltvExpiryDelta)
  })
  return bytesToWords(bytes)
}

function checkUnsigned(value: number, name: string, bits: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) {
    throw new RangeError(`${name} must be a whole number of ${bits} bits`)
  }
}
