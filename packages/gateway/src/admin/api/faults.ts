import type { z } from 'zod'
import { nearestName } from '../../cli/nearest.ts'
import { pathName } from '../../config/faults.ts'
import { valueAt } from '../../config/yaml-source.ts'

/** What is wrong with a value, and what was expected: one sentence for each fault. */
export function explainFaults(
  error: z.ZodError,
  { value, kind }: { readonly value: unknown; readonly kind: 'key' | 'parameter' },
): readonly string[] {
  return error.issues.flatMap((issue) => {
    const name = pathName(issue.path)
    const subject = name === '' ? '' : `${name}: `
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const near = nearestName(key, KNOWN)
        const meant = near === undefined ? '' : `, did you mean "${near}"?`
        return `${subject}unknown ${kind} ${JSON.stringify(key.slice(0, 60))}${meant}`
      })
    }
    const found = valueAt(value, issue.path)
    if (found === undefined && name !== '')
      return `the ${kind} "${name}" is missing, expected ${issue.message}`
    return `${subject}${name === '' ? 'not that, ' : 'not one, '}expected ${issue.message}`
  })
}

const KNOWN = [
  ...['paymentHash', 'tokenId', 'calls', 'amountMsat', 'reason', 'price', 'confirm', 'id', 'receiver'],
  ...['limit', 'cursor', 'service', 'state', 'search', 'from', 'to', 'step', 'before'],
]
