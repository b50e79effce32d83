/** The books against what clients know. */

import type { Page } from '../books.ts'
import { type Budget, bounds } from '../budget.ts'
import type { Wallet } from '../wallet.ts'

/** What the books say that must never be so, at any moment; in words (protocol §5 rules 1 and 2). */
export function contradictions({ counters, payments }: Page, wallet: Wallet): readonly string[] {
  const found: string[] = []
  for (const { key, used, credited } of counters) {
    const budget = wallet.budgets.get(key)
    if (budget === undefined || budget.account !== (credited !== null)) {
      found.push(`a counter that belongs to nobody: ${key}`)
      continue
    }
    const { kind, granted } = budget
    if (credited !== null && credited > granted)
      found.push(`${kind}: credited ${credited} of ${granted} paid`)
    if (used > (credited ?? granted)) found.push(`${kind}: used ${used} of ${credited ?? granted}`)
    if (used < 0n) found.push(`${kind}: used ${used}`)
  }
  for (const hash of payments)
    if (!wallet.payments.has(hash)) found.push(`a payment that nobody made: ${hash}`)
  return found
}

/** What became of the budgets of one kind, all of them used up; calls or msat. */
export interface KindVerdict {
  readonly kind: string
  readonly unit: string
  readonly budgets: number
  readonly granted: bigint
  /** What the books have counted. */
  readonly used: bigint
  /** Of that: answers that were cut off by a kill. */
  readonly cut: bigint
  /** What answers came to beyond what was left, recorded as lost by the seller (rule 5). */
  readonly written: bigint
  /** Served beyond what was granted. */
  readonly over: bigint
  /** Served and not counted. */
  readonly free: bigint
  /** Counted, or not to be had, without anything served or cut off for it. */
  readonly lost: bigint
  /** Accounts with another credit than the sum of their payments. */
  readonly miscredited: number
}

const NONE = { used: 0n, credited: null, lost: 0n }
const above = (value: bigint): bigint => (value > 0n ? value : 0n)

/** Compares when everything has been used up and nothing runs. */
export function verdicts({ counters }: Page, wallet: Wallet, drained: ReadonlySet<Budget>): KindVerdict[] {
  const rows = new Map(counters.map((row) => [row.key, row]))
  const kinds = new Map<string, KindVerdict>()
  for (const budget of wallet.budgets.values()) {
    const { kind, unit, granted, uses, account, key } = budget
    const { used, credited, lost: written } = rows.get(key) ?? NONE
    const { least, most } = bounds(budget)
    const name = `${kind}, ${unit}`
    const so = kinds.get(name) ?? {
      ...{ kind, unit, budgets: 0, granted: 0n, used: 0n, cut: 0n, written: 0n },
      ...{ over: 0n, free: 0n, lost: 0n, miscredited: 0 },
    }
    const served = uses.filter(({ whole }) => whole)
    const servedCost = served.reduce((sum, use) => sum + (unit === 'calls' ? 1n : use.costMsat), 0n)
    const smallest = unit === 'calls' ? 1n : (uses[0]?.estimateMsat ?? 1n)
    const leftOver = drained.has(budget) ? above(granted - used - smallest + 1n) : 0n
    kinds.set(name, {
      kind,
      unit,
      budgets: so.budgets + 1,
      granted: so.granted + granted,
      used: so.used + used,
      cut: so.cut + above(used + written - servedCost),
      written: so.written + written,
      over: so.over + above(least - granted - written),
      free: so.free + above(least - used - written),
      lost: so.lost + above(used + written - most) + leftOver,
      miscredited: so.miscredited + (account && credited !== granted ? 1 : 0),
    })
  }
  return [...kinds.values()].sort((a, b) => a.kind.localeCompare(b.kind))
}
