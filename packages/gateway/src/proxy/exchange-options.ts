import type { Charge, Entitlement } from '@turnpike/l402/server'
import type { ClientAnswer, ClientRequest } from './client-side.ts'
import type { CrossOrigin } from './cross-origin.ts'
import type { HeaderEdits } from './header-edits.ts'
import type { Upgrade } from './tunnel.ts'

/** What one exchange is made of. */
export interface ExchangeOptions {
  readonly req: ClientRequest
  readonly res: ClientAnswer
  /** `null`: nobody pays, nothing to settle. */
  readonly entitlement: Entitlement | null
  /** Of a metered route. */
  readonly charge: Charge | undefined
  readonly timeoutMs: number
  /** The request's body: none, as it comes, or whole where it had to be read before. */
  readonly body: Buffer | 'streamed' | null
  readonly crossOrigin: CrossOrigin
  /** Answers of our own are gRPC's, and the upstream's tell by their `grpc-status` whether it failed. */
  readonly grpc: boolean
  /** The client's connection, where the protocol is to change. */
  readonly upgrade: Upgrade | undefined
  /** Most bytes of a streamed body. */
  readonly bodyLimit?: number | undefined
  /** What the operator sets and removes in the answer's header lines. */
  readonly answerEdits?: HeaderEdits | undefined
  /** Told why an upstream, or the books, did not do their part; never with what a client or an upstream sent. */
  readonly onFault: (code: string, error: unknown) => void
  /** Told that the answer was cut off because the credit is used up. */
  readonly onExhausted: () => void
  /** Told that the upstream's answer begins. */
  readonly onAnswered?: () => void
}

/**
 * Where an exchange is:
 *
 * - `waiting` for the upstream's first byte; nothing is settled, the client may still get an answer of ours
 * - `gathering` a short answer, so that one that breaks off can still become an answer of ours
 * - `opening` the books to the use, or giving it back; the upstream has answered and is paused
 * - `streaming` the answer
 * - `over`: what the upstream still does is of no interest
 */
export type Phase = 'waiting' | 'gathering' | 'opening' | 'streaming' | 'over'
