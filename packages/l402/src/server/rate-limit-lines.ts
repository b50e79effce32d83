import type { Summary } from '../core/clear.ts'
import type { HeaderLines } from '../core/header-lines.ts'

/** What one budget of a request has in all, and left. */
export interface Remaining {
  readonly kind: 'calls' | 'credit'
  readonly limit: bigint
  readonly left: bigint
}

const NO_LINES: HeaderLines = []
const KINDS = ['calls', 'credit'] as const

/**
 * `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): what is left of calls and of credit, of each
 * kind the budget with the least; credit in msat; and of the `_rate`s the one that admits least right now, with its window
 * in seconds. `rateLefts`: how many requests each still admits.
 */
export function rateLimitLines(
  budgets: readonly Remaining[],
  rates: Summary['rates'],
  rateLefts: readonly number[],
): HeaderLines {
  const policies: string[] = []
  const left: string[] = []
  for (const kind of KINDS) {
    const least = tightest(budgets, kind)
    if (least === undefined) continue
    policies.push(`"${kind}";q=${clamp(least.limit)}${kind === 'credit' ? ';qu="msat"' : ''}`)
    left.push(`"${kind}";r=${clamp(least.left)}`)
  }
  const least = rateLefts.length === 0 ? Number.NaN : Math.min(...rateLefts)
  const rate = rates[rateLefts.lastIndexOf(least)]?.rate
  if (rate !== undefined) {
    policies.push(`"rate";q=${clamp(rate.limit)};w=${clamp(rate.seconds)}`)
    left.push(`"rate";r=${clamp(BigInt(least))}`)
  }
  if (policies.length === 0) return NO_LINES
  return ['RateLimit-Policy', policies.join(', '), 'RateLimit', left.join(', ')]
}

/** The same for a request beyond a `_rate`: nothing is left of it for so many seconds. */
export function exceededRateLines(
  { limit, seconds }: { readonly limit: bigint; readonly seconds: bigint },
  retryAfterSeconds: number,
): HeaderLines {
  return [
    ...['RateLimit-Policy', `"rate";q=${clamp(limit)};w=${clamp(seconds)}`],
    ...['RateLimit', `"rate";r=0;t=${retryAfterSeconds}`],
  ]
}

function tightest(budgets: readonly Remaining[], kind: Remaining['kind']): Remaining | undefined {
  let least: Remaining | undefined
  for (const budget of budgets)
    if (budget.kind === kind && (least === undefined || budget.left < least.left)) least = budget
  return least
}

/** RFC 9651 §3.3.1: an integer has at most 15 digits. */
const LARGEST = 999_999_999_999_999n

function clamp(value: bigint): bigint {
  return value < 0n ? 0n : value > LARGEST ? LARGEST : value
}

/** What {@link rateLimitLines} says is left; `null` where it says nothing of it. */
export function leftIn(lines: HeaderLines): { calls: number | null; creditMsat: bigint | null } {
  const at = lines.indexOf('RateLimit')
  const text = at < 0 ? '' : (lines[at + 1] ?? '')
  const calls = /"calls";r=([0-9]+)/.exec(text)?.[1]
  const credit = /"credit";r=([0-9]+)/.exec(text)?.[1]
  return {
    calls: calls === undefined ? null : Number(calls),
    creditMsat: credit === undefined ? null : BigInt(credit),
  }
}
