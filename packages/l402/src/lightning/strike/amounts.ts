/** Strike writes bitcoin as decimal text: `"0.00001000"`. */

import { objectOf } from '../lib/values.ts'

const MSAT_PER_BTC = 100_000_000_000n

/** Whole satoshis as bitcoin with eight places. */
export function btcOf(amountMsat: bigint): string {
  const sat = amountMsat / 1000n
  return `${sat / 100_000_000n}.${String(sat % 100_000_000n).padStart(8, '0')}`
}

/** Millisatoshi of an amount in BTC; a part of one counts as a whole. `undefined` for another currency, or none. */
export function msatOf(amount: unknown): bigint | undefined {
  const { currency, amount: text } = objectOf(amount)
  const found = typeof text === 'string' ? /^(\d{1,8})(?:\.(\d{1,18}))?$/.exec(text) : null
  if (currency !== 'BTC' || found === null) return undefined
  const [, whole = '0', part = ''] = found
  const rest = /[1-9]/.test(part.slice(11)) ? 1n : 0n
  return BigInt(whole) * MSAT_PER_BTC + BigInt(part.slice(0, 11).padEnd(11, '0')) + rest
}
