/** A payment hook that is a program (Node, Bun, Deno). */

import type { PaymentHook } from '../client/proposal.ts'
import { proposalJson } from '../client/proposal.ts'
import { callProgram } from '../lightning/exec/program.ts'

/** Which program. */
export interface ExecHookOptions {
  /** Absolute path; started without a shell, arguments or this process's secrets in its environment. */
  readonly file: string
  /** Milliseconds until it is ended and the purchase denied; default 10,000. */
  readonly timeoutMs?: number
}

/**
 * Runs a program for every purchase. It reads one JSON object, `{"type":"payment",…}`, from its standard input and
 * allows by exit code 0 and `{"allow":true}` on its standard output; `{"allow":false,"reason":"…"}`, another exit
 * code, other output or silence deny. Throws `TypeError` for a path that is not absolute.
 *
 * @example
 * const hook = execHook({ file: '/usr/local/libexec/may-pay' })
 */
export function execHook({ file, timeoutMs = 10_000 }: ExecHookOptions): PaymentHook {
  if (!/^(\/|[A-Za-z]:[\\/])/.test(file)) throw new TypeError('expected the absolute path of a program')
  return async (purchase, { signal }) => {
    const request = { type: 'payment', ...proposalJson(purchase) }
    const outcome = await callProgram({ file, request, timeoutMs, signal })
    if (outcome.kind !== 'answered') return { allow: false, reason: outcome.detail }
    const { allow, reason } = (outcome.body ?? {}) as { readonly allow?: unknown; readonly reason?: unknown }
    if (allow === true) return { allow: true }
    return { allow: false, ...(typeof reason === 'string' && { reason }) }
  }
}
