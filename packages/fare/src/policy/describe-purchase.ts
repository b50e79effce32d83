import { formatAmount } from '@turnpike/l402'
import type { ProposedPurchase } from '@turnpike/l402/client'
import { printable } from '../cli/text.ts'

/** What a person who approves is shown: what it buys, where, from whom, for how much. Safe for a terminal. */
export function describePurchase(purchase: ProposedPurchase): readonly (readonly [string, string])[] {
  const { method, origin, path, amountMsat, maxFeeMsat, payee, network, description, caveats } = purchase
  const { task, asks, lastAmountMsat } = purchase
  const last =
    lastAmountMsat === null ? 'never paid here before' : `${formatAmount(lastAmountMsat)} last time`
  const rows: (readonly [string, string])[] = [
    ['request', `${method} ${origin}${path}`],
    ['amount', `${formatAmount(amountMsat)} and up to ${formatAmount(maxFeeMsat)} in fees (${network})`],
    ['price', asks === 'price_jump' ? `far above ${last}` : last],
    ['payee', payee],
    ['says', description ?? '(no description)'],
    ['buys', caveats.length === 0 ? '(not said)' : caveats.join(' · ')],
    ...(task === '' ? [] : [['task', task] as const]),
  ]
  return rows.map(([name, text]) => [name, printable(text)])
}
