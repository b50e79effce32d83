/** A purchase before it is made, as those see it who may forbid it: a person who approves, a hook. No secrets (rule C10). */

import type { Network } from '../core/network.ts'

/** What is about to be paid, decoded from the invoice; texts from outside hold no control characters. */
export interface ProposedPurchase {
  readonly method: string
  /** Scheme, punycode host and port. */
  readonly origin: string
  /** Punycode, without port. */
  readonly host: string
  /** Without the query, which may hold secrets. */
  readonly path: string
  readonly amountMsat: bigint
  /** Fee reserve: most that would be paid on top. */
  readonly maxFeeMsat: bigint
  /** Lower-case hex of the payee's public key. */
  readonly payee: string
  readonly network: Network
  /** What the invoice says it is for. */
  readonly description: string | null
  /** Lower-case hex. */
  readonly paymentHash: string
  /** Unix seconds when the invoice ends. */
  readonly expiresAt: number
  /** Caveats of the credential it buys. */
  readonly caveats: readonly string[]
  /** The caller's tag, `''` for none. */
  readonly task: string
  /** Why somebody is asked; `null` where nobody needs to be (a hook sees every purchase). */
  readonly asks: 'threshold' | 'price_jump' | null
  /** What was last paid for the same method and path, without fee; `null` for the first time. */
  readonly lastAmountMsat: bigint | null
}

/** Heeded by whoever is asked: after the abort no answer counts. */
export interface AskOptions {
  /** Aborts at the deadline, or when the caller gives the request up. */
  readonly signal: AbortSignal
}

/**
 * Asks somebody whether to pay. Fails closed: only `'approved'` in time pays; an error, anything else or silence denies.
 * It must be answered by somebody whom the caller of `fetch` cannot speak for.
 */
export type Approve = (purchase: ProposedPurchase, options: AskOptions) => Promise<'approved' | 'denied'>

/** What a hook answers; a reason is shown to the user. */
export type HookAnswer = { readonly allow: true } | { readonly allow: false; readonly reason?: string }

/** Sees every purchase before it is paid and may forbid it. Fails closed: an error or silence denies. */
export type PaymentHook = (purchase: ProposedPurchase, options: AskOptions) => Promise<HookAnswer>

/** The purchase as plain JSON; amounts are decimal text. */
export function proposalJson(purchase: ProposedPurchase): Readonly<Record<string, unknown>> {
  const { amountMsat, maxFeeMsat, lastAmountMsat, ...rest } = purchase
  return {
    version: 1,
    ...rest,
    amountMsat: amountMsat.toString(),
    maxFeeMsat: maxFeeMsat.toString(),
    lastAmountMsat: lastAmountMsat?.toString() ?? null,
  }
}
