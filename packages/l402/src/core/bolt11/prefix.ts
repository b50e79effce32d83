import { MAX_AMOUNT_MSAT } from '../amount.ts'
import { quote } from '../lib/quote.ts'
import type { Network } from '../network.ts'
import { malformed } from './malformed.ts'

const CURRENCY_OF: Readonly<Record<Network, string>> = {
  mainnet: 'bc',
  testnet: 'tb',
  signet: 'tbs',
  regtest: 'bcrt',
  simnet: 'sb',
}

const NETWORK_OF: ReadonlyMap<string, Network> = new Map(
  Object.entries(CURRENCY_OF).map(([network, currency]) => [currency, network as Network]),
)

const MSAT_PER_BTC = 100_000_000_000n

// How many of each multiplier make one bitcoin, largest multiplier first; none means whole bitcoins.
const MULTIPLIERS = [
  ['', 1n],
  ['m', 1_000n],
  ['u', 1_000_000n],
  ['n', 1_000_000_000n],
  ['p', 1_000_000_000_000n],
] as const

const PER_BTC: ReadonlyMap<string, bigint> = new Map(MULTIPLIERS)

// The letters before the first digit are the currency: none of the known ones holds a digit.
const PREFIX = /^ln([a-z]*)(?:([0-9]+)(.*))?$/

/** The human-readable part: `ln`, currency, optional amount. Without a multiplier the amount is in bitcoins. */
export function parsePrefix(prefix: string): { network: Network; amountMsat: bigint | null } {
  const [, currency = '', digits, multiplier = ''] = PREFIX.exec(prefix) ?? []
  const network = NETWORK_OF.get(currency)
  if (network === undefined) {
    throw malformed('a prefix of lnbc, lntb, lntbs, lnbcrt or lnsb and an amount', quote(prefix))
  }
  if (digits === undefined) return { network, amountMsat: null }
  const perBtc = PER_BTC.get(multiplier)
  if (perBtc === undefined) throw malformed('an amount with m, u, n, p or no multiplier', quote(prefix))
  // 21 million bitcoins in pico-bitcoins have 20 digits.
  if (digits.startsWith('0') || digits.length > 20) {
    throw malformed('a positive amount without leading zeros, at most 21 million bitcoin', quote(prefix))
  }
  const scaled = BigInt(digits) * MSAT_PER_BTC
  if (scaled % perBtc !== 0n) throw malformed('an amount of whole millisatoshis', quote(prefix))
  const amountMsat = scaled / perBtc
  if (amountMsat > MAX_AMOUNT_MSAT) throw malformed('an amount of at most 21 million bitcoin', quote(prefix))
  return { network, amountMsat }
}

/** The human-readable part with the largest multiplier that leaves a whole number. */
export function formatPrefix(network: Network, amountMsat: bigint | null): string {
  const start = `ln${CURRENCY_OF[network]}`
  if (amountMsat === null) return start
  if (amountMsat <= 0n || amountMsat > MAX_AMOUNT_MSAT) {
    throw new RangeError('amountMsat must be positive and at most 21 million bitcoin')
  }
  for (const [multiplier, perBtc] of MULTIPLIERS) {
    const scaled = amountMsat * perBtc
    if (scaled % MSAT_PER_BTC === 0n) return `${start}${scaled / MSAT_PER_BTC}${multiplier}`
  }
  throw new RangeError('amountMsat must be a whole number')
}
