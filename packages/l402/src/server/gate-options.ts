import type { AmountLimits, InvoiceBackend } from '../lightning/backend.ts'
import type { PageOptions } from '../page/options.ts'
import type { Ledger } from '../stores/ledger.ts'
import type { StoredRootKeys } from '../stores/root-keys.ts'
import type { ChallengeLimitOptions } from './challenge-limit.ts'
import type { ProofVerifier } from './dpop.ts'
import type { KeyRing } from './keys.ts'
import type { AddressLists } from './limits/address-lists.ts'
import type { LimitAuthority } from './limits/authority.ts'
import type { ChallengeEconomics } from './limits/selling.ts'
import type { PaymentSchemeMode } from './payment-scheme/scheme.ts'
import type { Sessions } from './payment-scheme/session/desk.ts'
import type { PricedEvent } from './pricing/pricer.ts'
import type { SalesWatcher } from './sales-watcher.ts'
import type { ServiceOptions } from './service-policies.ts'

/** What a gate is made of. */
export interface GateOptions extends AddressLists {
  readonly lightning: InvoiceBackend
  readonly ledger: Ledger
  readonly keys: KeyRing
  /**
   * Root keys that another server made and kept (protocol §4), so that what it sold opens here; asked for macaroons that the
   * own keys did not make. See `@turnpike/l402/store/aperture`.
   */
  readonly storedKeys?: StoredRootKeys
  /** Every service that routes name. */
  readonly services: Readonly<Record<string, ServiceOptions>>
  /** Rule S10; 60 a minute per client prefix if left out. */
  readonly challengeLimit?: ChallengeLimitOptions
  /** What else bounds the invoices that unpaid requests cost. */
  readonly challenges?: ChallengeEconomics
  /** Counts what is limited; in this gate alone if left out. */
  readonly limits?: LimitAuthority
  /** Seconds an invoice may be paid; 600 if left out. */
  readonly invoiceExpirySeconds?: number
  /** Which amounts are sold at all, within those of the backend itself. Other prices are a 503, and not moved. */
  readonly amounts?: AmountLimits
  /** Milliseconds a backend may take to make an invoice, or to look one up; 10,000 if left out. Then 503. */
  readonly challengeDeadlineMs?: number
  /**
   * Strict mode: a credential is honoured once the node itself calls its invoice settled, which it is asked once; false if left
   * out. Where it cannot be asked within the deadline above: 503. Needs a backend that looks invoices up.
   */
  readonly strict?: boolean
  /** Most verdicts held in memory, some 6 KB each (a large one counts for several); 20,000 if left out. */
  readonly verdictCacheSize?: number
  /** Leaves `macaroon=` out of challenges (rule S2): then most deployed clients cannot read them. */
  readonly strictSpec?: boolean
  /** Checks proofs of possession (`dpop_jkt`); without it such credentials are refused. See `@turnpike/l402/dpop`. */
  readonly dpop?: ProofVerifier
  /** Answers that are kept for requests that come again with the same `Idempotency-Key` (protocol §5 rule 10). */
  readonly idempotency?: {
    /** 86,400, a day, if left out. */
    readonly keepSeconds?: number
    /** Most bytes of a body that is kept; 262,144 if left out. A larger one is charged once and cannot be had again. */
    readonly keepBytes?: number
  }
  /** Told of sales, for a journal of them. */
  readonly sales?: SalesWatcher
  /** Told about every question to a pricer; must not throw. */
  readonly onPriced?: (event: PricedEvent) => void
  /** Macaroon location, e.g. `lsat` for Aperture's clients (rule S9), at most 255 bytes; the service's name if left out. */
  readonly location?: string
  /**
   * The Payment scheme beside L402, on the same invoice (protocol §6), over TLS and on this machine: `asked` offers it to
   * requests that hold `Accept-Payment`, `always` to all, and both take its credentials. `asked` if left out.
   */
  readonly payment?: PaymentSchemeMode
  /**
   * Binds that scheme's challenges for one call to the body of the request (`digest`), of up to 64 KiB: the body is then read
   * before there is an answer, so nothing may have read it before. False if left out.
   */
  readonly bindBodies?: boolean
  /**
   * That scheme's sessions: a deposit that requests draw on, topped up and paid back. Offered beside the charge, on the same
   * invoice, where a route sells several calls or credit. None if left out.
   */
  readonly sessions?: Sessions
  /** A second challenge line, last, for clients that know the scheme `LSAT` alone (rule S3); false if left out. */
  readonly lsat?: boolean
  /** The page that browsers get with a 402 (rule S6); `false`: the problem in JSON, like everybody. See docs/page.md. */
  readonly page?: PageOptions | false
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly randomBytes?: (length: number) => Uint8Array
}
