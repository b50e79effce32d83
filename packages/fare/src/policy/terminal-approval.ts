import type { Approve, AskOptions, ProposedPurchase } from '@turnpike/l402/client'
import { atTerminal, hasTerminal, saysYes, type Terminal } from '../cli/terminal.ts'
import { columns } from '../cli/text.ts'
import { describePurchase } from './describe-purchase.ts'

/**
 * Asks the person at the terminal, whatever standard input and output are; `undefined` where there is no terminal.
 * Only the word `yes` approves.
 */
export function terminalApproval(): Approve | undefined {
  if (!hasTerminal()) return undefined
  return async (purchase, options) => await atTerminal((terminal) => askOn(terminal, purchase, options))
}

/** Asks on a pair of streams. */
export async function askOn(
  terminal: Terminal,
  purchase: ProposedPurchase,
  { signal }: AskOptions,
): Promise<'approved' | 'denied'> {
  const lines = columns(describePurchase(purchase).map(([name, text]) => [`  ${name}`, text]))
  const question = `\nfare: pay for this?\n${lines}\nType yes to pay, anything else not to: `
  const approved = await saysYes(terminal, question, signal)
  terminal.output.write(signal.aborted ? '\nfare: too late\n' : '')
  return approved ? 'approved' : 'denied'
}
