/**
 * What stands between a request and the resource. All HTTP policy of the seller's side lives behind this one
 * interface; the gateway and every adapter only carry requests to it and decisions from it.
 */

import type { HeaderLines } from '../core/header-lines.ts'
import type { RefundStatus } from '../core/payment-scheme/session.ts'
import type { Reason } from '../core/refusal.ts'
import type { PageForm } from '../page/with-page.ts'
import type { HeldSale } from './holds.ts'
import type { Freebie } from './limits/freebies.ts'
import type { RateRule } from './limits/rate-rules.ts'
import type { Charge } from './metering/charge.ts'
import type { UsageSink } from './pricing/metered.ts'
import type { Pricer } from './pricing/pricer.ts'

/** What one payment buys on a route. Several may be given: N calls within a time. */
export interface Grants {
  /** Admitted requests; a positive whole number. */
  readonly calls?: number
  /** Millisatoshi on the account of the token id, drawn by what requests cost; > 0, on a route with a `charge` only. */
  readonly creditMsat?: bigint
  /** Seconds from the challenge until the credential ends; a positive whole number. */
  readonly validSeconds?: number
}

/** Conditions that a mint puts into the credentials of a route besides what they buy (protocol §5). */
export interface MintedConditions {
  /** `_rate`: at most so many requests in any so many seconds. */
  readonly rate?: { readonly limit: number; readonly seconds: number }
  /** `_methods`. */
  readonly methods?: readonly string[]
  /** `_paths`: patterns such as `/v1/*`. */
  readonly paths?: readonly string[]
  /** `_ip`: CIDR blocks, or the address the challenge is asked for from. */
  readonly ip?: readonly string[] | 'client'
  /** `_origin`: the origin the challenge is asked for from, where a browser names one. */
  readonly origin?: readonly string[] | 'client'
  /** `dpop_jkt`: the key of the proof that the unpaid request carries, where it carries one. */
  readonly dpop?: boolean
}

/** What a route sells: the server's own data, never the client's (protocol §5 rule 7). */
export interface RouteTerms {
  /** Service name; the prefix of its caveat conditions. */
  readonly service: string
  /** What the operator wrote, e.g. `GET /forecast/*`; used in logs, metrics and tables. */
  readonly name: string
  /** Passes without a credential. */
  readonly free: boolean
  /** Price of one purchase in millisatoshi; 0 on a free route, and on one that has a pricer. */
  readonly priceMsat: bigint
  /** Says the price of one purchase, where it is not fixed. */
  readonly pricer?: Pricer
  readonly grants: Grants
  /** What each request draws from the credit; on a metered route only. */
  readonly charge?: Charge
  /** What its credentials are bound to. */
  readonly conditions?: MintedConditions
  /**
   * The capability a credential must hold here, so that what was sold for one route does not open a dearer one.
   * Routes may share one on purpose.
   */
  readonly capability: string
  /** What its credentials are minted with besides; none of it is enforced here. */
  readonly minted?: {
    /** In place of the (empty) capability of a route that needs none; comma-separated. */
    readonly capabilities?: string
    /** Whole caveats, `condition=value`, of conditions that the gate does not know. */
    readonly caveats?: readonly string[]
  }
  /**
   * The invoice's description; service and route name if left out. `{service}`, `{route}`, `{method}`, `{path}` and `{host}`
   * stand for those of the request; other braces are text. Requests whose memos differ share no invoice.
   */
  readonly memo?: string
  /** What each client prefix has for nothing, where it has no valid credential. */
  readonly freebie?: Freebie
  /** Rates; a request must be within all of them. */
  readonly limits?: readonly RateRule[]
  /** Sells nothing: what does not pass gets 401 and no challenge (rule S1). */
  readonly skipInvoice?: true
  /**
   * Paid on delivery, one request for each payment: the node holds the payment until the answer is there (see
   * `Refused.hold`). Needs a backend that holds, and a server that runs the request for whoever has paid for it.
   */
  readonly hold?: true
  /**
   * Everything is decided and counted, and nothing is refused but what block and allow lists deny. Orders about a session end
   * in the gate here too.
   */
  readonly shadow?: true
  /** What stands before the path that its name says, in the addresses that clients use; nothing if left out. */
  readonly basePath?: string
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
  /**
   * `https://api.example.com`: scheme and authority the client asked, after trusted-proxy handling. Proofs of possession are
   * checked against it (RFC 9449 §4.3); without it none holds.
   */
  readonly base?: string
  /**
   * SHA-256 over query, a line feed and body, 32 bytes, where {@link Gate.wantsDigest} asks for it. Without it an
   * `Idempotency-Key` is not heeded.
   */
  readonly contentDigest?: Uint8Array
  /** SHA-256 of the body alone, beside the other: what challenges of the Payment scheme are bound to. */
  readonly bodyDigest?: Uint8Array
  /** Names the browser that a challenge is for: it is handed out again to no other one, its neighbours included. */
  readonly asker?: string
  /** The server's own, for a payment that its node holds: passes before it is settled, and is sold nothing. */
  readonly held?: true
  /** With its `?`; empty if left out. For pricers, like what follows. */
  readonly query?: string
  /** Length of the body, `null` where it is not known; what `Content-Length` says if left out. */
  readonly bodyBytes?: number | null
  /** The body's first bytes, up to `PRICED_BODY_BYTES`, where the route's pricer reads them. */
  readonly bodyHead?: Uint8Array
}

/** An answer as it is kept for requests that come again with the same `Idempotency-Key`. */
export interface StoredAnswer {
  readonly status: number
  /** Name, value, …; those of the resource, without what is said about one connection. */
  readonly headers: HeaderLines
  readonly body: Uint8Array
}

/** How a paid request ended. */
export interface Settlement {
  /** What it cost, on a metered route; the estimate if left out. */
  readonly costMsat?: bigint
  /** The answer, where {@link Entitlement.keepBytes} asks for it and it was no larger. */
  readonly answer?: StoredAnswer
}

/** The session of the Payment scheme that a request draws on, as an event stream needs it. */
export interface StreamSession {
  /** The deposit's payment hash, in lower-case hex. */
  readonly id: string
  /** What so much of its balance was paid for, in msat; `units` of credit in msat, or of calls. */
  worthMsat(units: bigint): bigint
  /** It is used right now, so it is not closed for being idle. */
  touch(): void
  /** What is left of its balance: credit in msat, or calls. Throws `store_unavailable`. */
  left(): Promise<bigint>
  /** Whether it is open, and what was spent of it in all. Throws `store_unavailable`. */
  standing(): Promise<{ readonly open: boolean; readonly spentMsat: bigint }>
}

/**
 * A request's hold on its credential, or on its client's freebies: `serve` before the first byte, then exactly one of `commit`
 * and `release`.
 */
export interface Entitlement {
  /** Lower-case hex of 32 bytes; empty for a freebie. */
  readonly tokenId: string
  /** Lower-case hex of 32 bytes; empty for a freebie. */
  readonly paymentHash: string
  /** Nobody has paid: the client has this request for nothing. */
  readonly freebie?: true
  readonly service: string
  /** Unix seconds from which on the credential is no longer good, for what stays open that long; `null` or left out: never. */
  readonly expiresAt?: number | null
  /**
   * Whether there is something to settle: a use is reserved, or the answer is to be kept. False for a time pass: `serve`,
   * `draw`, `commit` and `release` then do nothing.
   */
  readonly counted: boolean
  /** Most bytes of an answer's body to be given to `commit`, for requests that come again (rule 10); `null`: none is kept. */
  readonly keepBytes: number | null
  /** Where the end of the answer is to be reported, before `commit` or `release`; on routes with a metered price server. */
  readonly usage?: UsageSink
  /** Where it draws on a session: an event stream then waits for top-ups, and ends with a receipt. */
  readonly session?: StreamSession
  /** Lines for the answer: `RateLimit`, `RateLimit-Policy`. Name, value, … */
  readonly answerHeaders: HeaderLines
  /**
   * The resource is about to be served; from here on a crash counts the use. Await it before the first byte goes out.
   * Throws `store_unavailable`: then nothing may be served, and the use is to be released.
   */
  serve(): Promise<void>
  /**
   * The answer of a metered route has cost `costMsat` by now and goes on: takes it from the credit. Answers whether all of it
   * was there. Throws `store_unavailable`.
   */
  draw(costMsat: bigint): Promise<boolean>
  /** The answer has ended, or the client left in the middle of it. Never throws; tried again until the books take it. */
  commit(settlement?: Settlement): Promise<void>
  /**
   * The resource was not served, or broke off: the client keeps what it paid for (protocol §5 rule 4). Never throws; tried
   * again until the books take it.
   */
  release(): Promise<void>
}

/** The request may go to the resource. */
export interface Pass {
  readonly outcome: 'pass'
  /** `null` on a free route, and where a route in shadow would refuse. */
  readonly entitlement: Entitlement | null
  /** The reason for which a route in shadow would have refused. */
  readonly shadow?: RefusedReason
}

/** The request was executed before: it gets the same answer, and nothing is charged (protocol §5 rule 10). */
export interface Replayed {
  readonly outcome: 'replay'
  readonly answer: StoredAnswer
  /** Lower-case hex of 32 bytes. */
  readonly tokenId: string
  /** Lower-case hex of 32 bytes. */
  readonly paymentHash: string
}

/** Why a request is answered here: a credential's fault, or one of these that are not. */
export type RefusedReason =
  | Reason
  | 'rate_limited'
  | 'address_denied'
  | 'challenge_limit'
  | 'challenge_capacity'
  | 'lightning_unavailable'
  | 'store_unavailable'
  | 'price_unavailable'
  | 'unpriceable'
  | 'idempotency_invalid'
  | 'idempotency_conflict'
  | 'idempotency_running'
  | 'idempotency_unkept'
  | 'idempotency_lost'
  | 'page'
  | 'session'

/** The request is answered here, and the resource must not see it (rule S8). */
export interface Refused {
  readonly outcome: 'refuse'
  /** Why, for logs and metrics. */
  readonly reason: RefusedReason
  readonly status: number
  /** Name, value, …; the L402 challenge first (rule S3). */
  readonly headers: HeaderLines
  /** UTF-8 text; empty for gRPC. Leave out for HEAD. */
  readonly body: string
  /** gRPC: all headers go out in one HEADERS frame with END_STREAM. */
  readonly grpc: boolean
  /** On a route that is paid on delivery: what is to be run, and settled or given back, once it is paid. */
  readonly hold?: HeldSale
}

export type Decision = Pass | Replayed | Refused

/** One counting caveat and how full its counter is. */
export interface BudgetState {
  /** e.g. `weather_max_calls`. */
  readonly condition: string
  readonly limit: bigint
  readonly left: bigint
}

/** What a credential has left for one service. */
export interface ServiceBalance {
  readonly service: string
  /** Whether a request that the other conditions allow would be admitted now. */
  readonly usable: boolean
  /** Why not. */
  readonly reason?: Reason
  /** Unix seconds; `null` without an end. */
  readonly expiresAt: number | null
  /** Budgets of calls and of spending, the minted one first. */
  readonly budgets: readonly BudgetState[]
  /** The credit account, where the credential has one: msat credited in all, left now, and used beyond it (rule 5). */
  readonly credit: {
    readonly creditedMsat: bigint
    readonly leftMsat: bigint
    readonly lostMsat: bigint
  } | null
}

/** How a session of the Payment scheme stands. */
export interface SessionStanding {
  readonly status: 'open' | 'closed'
  /** Of a closed one: what was paid back, or was to be, and what became of that. */
  readonly refundSats?: number
  readonly refundStatus?: RefundStatus
}

/** What a credential has left. */
export interface Balance {
  readonly outcome: 'balance'
  /** Lower-case hex of 32 bytes. */
  readonly tokenId: string
  /** Lower-case hex of 32 bytes. */
  readonly paymentHash: string
  /** The services of this server that it opens. */
  readonly services: readonly ServiceBalance[]
  /** Where the credential is one of a session. */
  readonly session?: SessionStanding
}

/** Decides over requests. Never throws for what a client sent. */
export interface Gate {
  /** Synchronous where nothing has to be waited for (free routes, a cached time pass). */
  decide(request: GateRequest): Decision | Promise<Decision>
  /**
   * Whether the request's outcome is to be kept, so that `decide` needs the digest of its body: an unsafe method with an
   * `Idempotency-Key` and a credential, on a route that is not free; anything on one that is paid on delivery. Or whether a
   * challenge of the Payment scheme is bound to its body, or would be.
   */
  wantsDigest(request: GateRequest): boolean
  /**
   * What is left of the credential in these headers; see {@link Balance}. Never throws for what a client sent. One of the
   * Payment scheme is read where `base`, as in a request, is confidential.
   */
  balance(headers: HeaderLines, asked?: Pick<GateRequest, 'base'>): Promise<Balance | Refused>
  /** Answers the form of a payment page; `null`, or left out, where there are no pages. */
  submitPage?(form: PageForm): Refused | null
  /** How many credentials the verdict cache holds. */
  readonly cachedVerdicts: number
  /** How many challenges are out that may be handed out again. */
  readonly heldChallenges: number
  /** How often a credential was found there, and how often it had to be verified. */
  readonly verdictLookups: { readonly hits: number; readonly misses: number }
}
