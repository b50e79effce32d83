/** `listen`: an address, or an address and what is special about it. */

import { z } from 'zod'
import type { ListenAddress } from './config.ts'
import { flag, listenAddress } from './values.ts'

const entrySchema = z.strictObject(
  {
    address: listenAddress.describe('host:port; port 0 is any free one.'),
    proxyProtocol: flag
      .optional()
      .describe(
        'Every connection begins with a PROXY protocol header (v1 or v2), from "trustedProxies" only. Default false.',
      ),
  },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? 'address proxyProtocol'
        : 'host:port or { address: host:port, proxyProtocol: true }',
  },
)

/** One of `listen`. */
export const listenEntry = z.unknown().transform((value, ctx): ListenAddress => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const parsed = listenAddress.safeParse(value)
    return parsed.success ? parsed.data : handOn(parsed.error, ctx)
  }
  const parsed = entrySchema.safeParse(value)
  if (!parsed.success) return handOn(parsed.error, ctx)
  const { address, proxyProtocol = false } = parsed.data
  return proxyProtocol ? { ...address, proxyProtocol } : address
})

/** The faults of a schema within, in their own words and places. */
function handOn(error: z.ZodError, ctx: z.RefinementCtx): never {
  for (const issue of error.issues) {
    const { message, path } = issue
    if (issue.code === 'unrecognized_keys')
      ctx.addIssue({ code: issue.code, keys: issue.keys, message, path, input: {} })
    else if (issue.code === 'custom') ctx.addIssue({ code: 'custom', message, path, params: issue.params })
    else ctx.addIssue({ code: 'custom', message: `not right, expected ${message}`, path })
  }
  return z.NEVER
}
