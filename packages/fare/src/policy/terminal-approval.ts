import { closeSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { ReadStream, WriteStream } from 'node:tty'
import type { Approve, AskOptions, ProposedPurchase } from '@turnpike/l402/client'
import { columns } from '../cli/text.ts'
import { describePurchase } from './describe-purchase.ts'

const TERMINAL = '/dev/tty'

/**
 * Asks the person at the terminal, whatever standard input and output are; `undefined` where there is no terminal.
 * Only the word `yes` approves.
 */
export function terminalApproval(): Approve | undefined {
  try {
    closeSync(openSync(TERMINAL, 'r+'))
  } catch {
    return undefined
  }
  return async (purchase, options) => {
    const input = new ReadStream(openSync(TERMINAL, 'r'))
    const output = new WriteStream(openSync(TERMINAL, 'w'))
    try {
      return await askOn({ input, output }, purchase, options)
    } finally {
      input.destroy()
      output.destroy()
    }
  }
}

/** Asks on a pair of streams. */
export async function askOn(
  terminal: { readonly input: Readable; readonly output: Writable },
  purchase: ProposedPurchase,
  { signal }: AskOptions,
): Promise<'approved' | 'denied'> {
  const { input, output } = terminal
  const lines = columns(describePurchase(purchase).map(([name, text]) => [`  ${name}`, text]))
  output.write(`\nfare: pay for this?\n${lines}\n`)
  output.write('Type yes to pay, anything else not to: ')
  const reader = createInterface({ input })
  try {
    const answer = await new Promise<string>((resolve) => {
      reader.once('line', resolve)
      // The terminal is gone, or the time is over: nobody said yes.
      reader.once('close', () => resolve(''))
      signal.addEventListener('abort', () => resolve(''), { once: true })
    })
    const approved = answer.trim().toLowerCase() === 'yes'
    output.write(signal.aborted ? '\nfare: too late\n' : '')
    return approved ? 'approved' : 'denied'
  } finally {
    reader.close()
  }
}
