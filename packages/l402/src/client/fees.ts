/** How much is held back for routing fees. */

/** One percent of the amount, and one satoshi at least. */
export function defaultFeeReserve(amountMsat: bigint): bigint {
  const percent = amountMsat / 100n
  return percent > 1_000n ? percent : 1_000n
}

/** For a wallet that does not hold a fee limit: five percent, and ten satoshi at least, or what was asked if more. */
export function uncappedFeeReserve(amountMsat: bigint, asked: bigint): bigint {
  const twentieth = amountMsat / 20n
  const worst = twentieth > 10_000n ? twentieth : 10_000n
  return asked > worst ? asked : worst
}
