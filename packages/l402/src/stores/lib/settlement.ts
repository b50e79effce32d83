/** One metered counter of a reservation, as it stands when the cost is known. */
export interface MeteredRoom {
  /** Used and reserved, this reservation included. */
  readonly used: bigint
  /** The caveat's value, or what has been credited. */
  readonly limit: bigint
}

/**
 * By how much every metered counter of a reservation changes when its estimate `heldMsat` turns out to be `actualMsat`: as
 * far as all have room (rule 5), and what remains unpaid.
 */
export function settlement(
  heldMsat: bigint,
  actualMsat: bigint,
  rooms: readonly MeteredRoom[],
): { readonly change: bigint; readonly lost: bigint } {
  const wanted = actualMsat - heldMsat
  if (wanted <= 0n) return { change: wanted, lost: 0n }
  let change = wanted
  for (const { used, limit } of rooms) {
    const left = limit > used ? limit - used : 0n
    if (left < change) change = left
  }
  return { change, lost: wanted - change }
}
