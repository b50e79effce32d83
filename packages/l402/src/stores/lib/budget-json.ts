/** A budget as text, for stores. */

import { L402Error } from '../../core/errors.ts'
import type { Budget, BudgetLimits } from '../purse.ts'
import { assertBudget } from './purse-rules.ts'

/** A budget as JSON; amounts are decimal text. */
export function formatBudget(budget: Budget): string {
  return JSON.stringify(budget, (_, value) => (typeof value === 'bigint' ? value.toString() : value))
}

/** Back from {@link formatBudget}. A text that is not one is a damaged store: never a purse without limits. */
export function parseBudget(json: string): Budget {
  try {
    const { overall, hosts, payees, tasks, ...rest } = JSON.parse(json) as StoredBudget
    const budget: Budget = {
      ...rest,
      overall: limitsOf(overall),
      hosts: tableOf(hosts),
      ...(payees && { payees: tableOf(payees) }),
      ...(tasks && { tasks: tableOf(tasks) }),
    }
    assertBudget(budget)
    return budget
  } catch (cause) {
    throw new L402Error('store_incompatible', 'the budget in the purse cannot be read', { cause })
  }
}

type StoredLimits = { [Name in keyof BudgetLimits]: Name extends 'count' ? BudgetLimits['count'] : string }
type StoredTable = Readonly<Record<string, StoredLimits>>
interface StoredBudget extends Pick<Budget, 'hostLists' | 'payeeLists' | 'breakers'> {
  readonly overall: StoredLimits
  readonly hosts: StoredTable
  readonly payees?: StoredTable
  readonly tasks?: StoredTable
}

function tableOf(stored: StoredTable): Record<string, BudgetLimits> {
  return Object.fromEntries(Object.entries(stored).map(([name, limits]) => [name, limitsOf(limits)]))
}

function limitsOf(stored: StoredLimits): BudgetLimits {
  const limits: { -readonly [Name in keyof BudgetLimits]: BudgetLimits[Name] } = {}
  for (const name of ['requestMsat', 'hourMsat', 'dayMsat', 'totalMsat', 'approveAboveMsat'] as const) {
    if (stored[name] !== undefined) limits[name] = BigInt(stored[name])
  }
  if (stored.count) limits.count = { max: Number(stored.count.max), seconds: Number(stored.count.seconds) }
  return limits
}
