import { formatAmount, formatDuration, L402Error, parseAmount, parseDuration } from '@turnpike/l402'
import type { BudgetLimits } from '@turnpike/l402/client'
import { UsageError } from './cli/usage-error.ts'

/** Limits as typed: `100sat`, `none`, and `N/1d` for the count. */
export interface TypedLimits {
  readonly request?: string | undefined
  readonly hour?: string | undefined
  readonly day?: string | undefined
  readonly total?: string | undefined
  readonly count?: string | undefined
  readonly approveAbove?: string | undefined
}

/**
 * `before` with what was typed changed; `none` lifts a limit.
 *
 * @throws UsageError
 */
export function changeLimits(before: BudgetLimits, typed: TypedLimits): BudgetLimits {
  const amounts = {
    requestMsat: amount('--request', typed.request, before.requestMsat),
    hourMsat: amount('--hour', typed.hour, before.hourMsat),
    dayMsat: amount('--day', typed.day, before.dayMsat),
    totalMsat: amount('--total', typed.total, before.totalMsat),
    count: window('--count', typed.count, before.count),
    approveAboveMsat: amount('--approve-above', typed.approveAbove, before.approveAboveMsat),
  }
  return Object.fromEntries(
    Object.entries(amounts).filter(([, value]) => value !== undefined),
  ) as BudgetLimits
}

/** One line per limit. */
export function describeLimits(limits: BudgetLimits): readonly (readonly [string, string])[] {
  const text = (msat: bigint | undefined): string => (msat === undefined ? 'no limit' : formatAmount(msat))
  return [
    ['per request', text(limits.requestMsat)],
    ['per hour', text(limits.hourMsat)],
    ['per day', text(limits.dayMsat)],
    ['in total', text(limits.totalMsat)],
    [
      'payments',
      limits.count === undefined
        ? 'no limit'
        : `${limits.count.max} per ${formatDuration(limits.count.seconds)}`,
    ],
    ...(limits.approveAboveMsat === undefined
      ? []
      : [['approval above', formatAmount(limits.approveAboveMsat)] as const]),
  ]
}

/**
 * An amount as typed after a flag.
 *
 * @throws UsageError naming the flag.
 */
export function typedAmount(flag: string, text: string): bigint {
  try {
    return text === '0' ? 0n : parseAmount(text)
  } catch (error) {
    if (error instanceof L402Error) throw new UsageError(`${flag}: ${error.message}`)
    throw error
  }
}

function amount(flag: string, text: string | undefined, before: bigint | undefined): bigint | undefined {
  if (text === undefined) return before
  return text === 'none' ? undefined : typedAmount(flag, text)
}

/**
 * A number of payments per time as typed after a flag, `before` where nothing was, `undefined` for `none`.
 *
 * @throws UsageError naming the flag.
 */
export function window(
  flag: string,
  text: string | undefined,
  before: BudgetLimits['count'],
): BudgetLimits['count'] {
  if (text === undefined) return before
  if (text === 'none') return undefined
  const [max = '', window = ''] = text.split('/')
  if (!/^[0-9]{1,9}$/.test(max) || text.split('/').length !== 2)
    throw new UsageError(`${flag}: expected a number of payments per time, e.g. 20/1d, got "${text}"`)
  try {
    return { max: Number(max), seconds: parseDuration(window) }
  } catch (error) {
    if (error instanceof L402Error) throw new UsageError(`${flag}: ${error.message}`)
    throw error
  }
}
