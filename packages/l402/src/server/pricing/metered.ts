/** Price servers that keep the balances themselves: asked before every paid request, told afterwards what it came to. */

import type { PriceRequest } from './pricer.ts'

/** What a metered price server says to a paid request. */
export type Authorization =
  /** `reserved` goes back to it with the report. */
  | { readonly allowed: true; readonly reserved: bigint }
  /** `amountMsat`: what to ask for; `undefined`: its usual price. */
  | { readonly allowed: false; readonly amountMsat: bigint | undefined }

/** How an answer ended. */
export interface AnswerUsage {
  /** HTTP status; 0 where the resource was never asked. */
  readonly status: number
  /** Empty where there was none. */
  readonly contentType: string
  readonly contentEncoding: string
  /** Whether the answer went out whole. */
  readonly complete: boolean
  /** The end of its body. */
  readonly tail: Uint8Array
}

/** {@link AnswerUsage}, and whose it was. */
export interface Usage extends AnswerUsage {
  /** Lower-case hex of 32 bytes. */
  readonly tokenId: string
  readonly service: string
  readonly path: string
  readonly reserved: bigint
}

/** A price server that keeps balances. `minted` and `authorize` may throw; then the answer is 503. */
export interface Metered {
  /** Most bytes of an answer's end that it wants. */
  readonly tailBytes: number
  /** A credential was made that opens for `amountMsat`, if it is paid. */
  minted(
    request: PriceRequest,
    facts: { readonly tokenId: string; readonly amountMsat: bigint; readonly signal: AbortSignal },
  ): Promise<void>
  /** Whether the credential's balance admits the request. */
  authorize(
    request: PriceRequest,
    facts: { readonly tokenId: string; readonly signal: AbortSignal },
  ): Promise<Authorization>
  /** Once for every request that was allowed. Must not throw; delivering it is its own business. */
  report(usage: Usage): void
}

/** Where the end of an answer is to be reported; once. */
export interface UsageSink {
  readonly tailBytes: number
  report(usage: AnswerUsage): void
}
