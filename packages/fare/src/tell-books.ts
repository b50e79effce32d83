import { isL402Error } from '@turnpike/l402'
import { delivered, type FetchOutcome } from '@turnpike/l402/client'
import { causeText } from './cli/text.ts'

/**
 * Tells the books how an answer ended, once it was handed on. A fault of theirs takes nothing back of it: what was paid then
 * counts as not served yet, and is presented again (rule C8). Answers what to say of such a fault.
 */
export async function tellBooks(outcome: FetchOutcome, how: 'whole' | 'cut'): Promise<string | undefined> {
  try {
    await delivered(outcome, how)
    return undefined
  } catch (error) {
    if (!isL402Error(error, 'store_unavailable')) throw error
    return `the purse could not note how the answer ended: ${causeText(error)}`
  }
}
