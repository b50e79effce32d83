import { isL402Error, parseAmount } from '@turnpike/l402'

/** Most that a payment may cost in fees: the table `fees` of `config.yaml`. */
export interface FeesConfig {
  /** Of the price, in millionths. */
  readonly shareMillionths: bigint
  /** That much is left in any case, as a share of a small price pays for no hop. */
  readonly leastMsat: bigint
  /** Never more. */
  readonly mostMsat?: bigint
}

type Fail = (what: string) => never

const KEYS = ['percent', 'least', 'most']

/** Reads the table; `undefined` without one. */
export function readFees(value: unknown, fail: Fail): FeesConfig | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return fail('fees: expected a table such as { percent: 1, most: 50 sat }')
  const table = value as Readonly<Record<string, unknown>>
  const unknown = Object.keys(table).find((key) => !KEYS.includes(key))
  if (unknown !== undefined) return fail(`fees: unknown key "${unknown}", expected ${KEYS.join(', ')}`)
  const { percent = 1 } = table
  if (typeof percent !== 'number' || !(percent >= 0 && percent <= 100))
    return fail('fees.percent: expected a number from 0 to 100')
  const mostMsat = amountOf('most', table, fail)
  const leastMsat = amountOf('least', table, fail)
  if (mostMsat !== undefined && leastMsat !== undefined && leastMsat > mostMsat)
    return fail('fees.least: expected no more than fees.most')
  return {
    shareMillionths: BigInt(Math.round(percent * 10_000)),
    leastMsat: leastMsat ?? 1_000n,
    ...(mostMsat !== undefined && { mostMsat }),
  }
}

/** The fee reserve for a price in millisatoshi. */
export function feeReserveOf({
  shareMillionths,
  leastMsat,
  mostMsat,
}: FeesConfig): (amountMsat: bigint) => bigint {
  return (amountMsat) => {
    const share = (amountMsat * shareMillionths) / 1_000_000n
    const reserve = share > leastMsat ? share : leastMsat
    return mostMsat !== undefined && reserve > mostMsat ? mostMsat : reserve
  }
}

function amountOf(key: string, table: Readonly<Record<string, unknown>>, fail: Fail): bigint | undefined {
  const value = table[key]
  if (value === undefined) return undefined
  if (value === 0) return 0n
  try {
    return parseAmount(String(value))
  } catch (error) {
    if (!isL402Error(error)) throw error
    return fail(`fees.${key}: expected an amount such as 5 sat, or 0`)
  }
}
