/**
 * What stands between a request and the resource. All HTTP policy of the seller's side lives behind this one
 * interface; the gateway and every adapter only carry requests to it and decisions from it.
 */

import type { HeaderLines } from '../core/header-lines.ts'
import type { Reason } from '../core/refusal.ts'

/** What one payment buys on a route. Both may be given: N calls within a time. */
export interface Grants {
  /** Admitted requests; a positive whole number. */
  readonly calls?: number
  /** Seconds from the challenge until the credential ends; a positive whole number. */
  readonly validSeconds?: number
}

/** What a route sells: the server's own data, never the client's (protocol §5 rule 7). */
export interface RouteTerms {
  /** Service name; the prefix of its caveat conditions. */
  readonly service: string
  /** What the operator wrote, e.g. `GET /forecast/*`; used in logs, metrics and tables. */
  readonly name: string
  /** Passes without a credential. */
  readonly free: boolean
  /** Price of one purchase in millisatoshi; 0 on a free route. */
  readonly priceMsat: bigint
  readonly grants: Grants
  /**
   * The capability a credential must hold here, so that what was sold for one route does not open a dearer one.
   * Routes may share one on purpose.
   */
  readonly capability: string
  /** The invoice's description; service and route name if left out. */
  readonly memo?: string
}

/** A request, already normalised: the path that was matched is the path that is forwarded. */
export interface GateRequest {
  readonly method: string
  /** The normalised path (see target.ts). */
  readonly path: string
  readonly headers: HeaderLines
  /** Client address after trusted-proxy handling. */
  readonly clientAddress: string
  readonly route: RouteTerms
}

/** A paid request's hold on its credential: `serve` before the first byte, then exactly one of `commit` and `release`. */
export interface Entitlement {
  /** Lower-case hex of 32 bytes. */
  readonly tokenId: string
  /** Lower-case hex of 32 bytes. */
  readonly paymentHash: string
  readonly service: string
  /** Whether a use is reserved. False for a time pass: `serve`, `commit` and `release` then do nothing. */
  readonly counted: boolean
  /** Lines for the answer: `RateLimit`, `RateLimit-Policy`. Name, value, … */
  readonly answerHeaders: HeaderLines
  /**
   * The resource is about to be served; from here on a crash counts the use. Await it before the first byte goes out.
   * Throws `store_unavailable`: then nothing may be served, and the use is to be released.
   */
  serve(): Promise<void>
  /** The answer has ended, or the client left in the middle of it. Never throws; tried again until the books take it. */
  commit(): Promise<void>
  /**
   * The resource was not served, or broke off: the client keeps what it paid for (protocol §5 rule 4). Never throws; tried
   * again until the books take it.
   */
  release(): Promise<void>
}

/** The request may go to the resource. */
export interface Pass {
  readonly outcome: 'pass'
  /** `null` on a free route. */
  readonly entitlement: Entitlement | null
}

/** The request is answered here, and the resource must not see it (rule S8). */
export interface Refused {
  readonly outcome: 'refuse'
  /** Why, for logs and metrics; `challenge_limit`, `lightning_unavailable` and `store_unavailable` are not the credential's fault. */
  readonly reason: Reason | 'challenge_limit' | 'lightning_unavailable' | 'store_unavailable'
  readonly status: number
  /** Name, value, …; the L402 challenge first (rule S3). */
  readonly headers: HeaderLines
  /** UTF-8 text; empty for gRPC. Leave out for HEAD. */
  readonly body: string
  /** gRPC: all headers go out in one HEADERS frame with END_STREAM. */
  readonly grpc: boolean
}

export type Decision = Pass | Refused

/** Decides over requests. Never throws for what a client sent. */
export interface Gate {
  /** Synchronous where nothing has to be waited for (free routes, a cached time pass). */
  decide(request: GateRequest): Decision | Promise<Decision>
  /** How many credentials the verdict cache holds. */
  readonly cachedVerdicts: number
}
