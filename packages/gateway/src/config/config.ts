/** A configuration that has been read and found right: every default filled in, every unit resolved. */

import type { AmountLimits, Network } from '@turnpike/l402/lightning'
import type { SettingValues } from '@turnpike/l402/lightning/kinds'
import type {
  Charge,
  CorsPolicy,
  Grants,
  HeaderCondition,
  MintedConditions,
  PageOptions,
  PaymentSchemeMode,
  ServicePage,
} from '@turnpike/l402/server'
import type { Titles } from '../discovery/titles.ts'
import type { MintsConfig } from './compat.ts'
import type { ForwardAuthConfig } from './forward-auth.ts'
import type { ForwardingConfig } from './forwarding.ts'
import type { Position } from './issue.ts'
import type { AddressListConfig, EconomicsConfig, PolicyConfig, RoutePolicyConfig } from './limits.ts'
import type { NamedFile } from './named-files.ts'
import type { AccessConfig, TracingConfig } from './observing.ts'
import type { PriceConfig, RatesConfig } from './pricing.ts'
import type { SessionsConfig } from './sessions.ts'
import type { TlsConfig } from './tls.ts'
import type { UpstreamSide } from './upstream-side.ts'
import type { WebhookConfig } from './webhooks.ts'

/** Where to listen. Port 0 is any free one. */
export interface ListenAddress {
  /** An IP address (without brackets) or a host name. */
  readonly host: string
  readonly port: number
  /** Whether it speaks TLS. */
  readonly tls?: boolean
  /** Connections begin with a PROXY protocol header. */
  readonly proxyProtocol?: boolean
}

/** How many challenges one client prefix may ask for (rule S10). */
export interface ChallengeLimit {
  readonly count: number
  readonly windowSeconds: number
}

/** Where the books are. */
export type StoreConfig =
  | { readonly kind: 'memory' }
  /** An absolute file name. */
  | { readonly kind: 'sqlite'; readonly file: string }
  /** Holds a password, so it is not for messages. */
  | { readonly kind: 'postgres'; readonly url: string }
  /** With its password; `place` is the same without, for messages. */
  | { readonly kind: 'redis'; readonly url: string; readonly place: string }

/** One Lightning backend. */
export interface LightningConfig {
  /** `sandbox`, `lnd`, … */
  readonly backend: string
  /** By key; file names absolute. May hold secrets, so it is not for messages. */
  readonly settings: SettingValues
  /** Where it stands in the file. */
  readonly position: Position
}

/** Where Aperture keeps its root keys. */
export type ApertureConfig =
  /** An absolute file name. */
  | { readonly kind: 'sqlite'; readonly file: string }
  /** Holds a password, so it is not for messages. */
  | { readonly kind: 'postgres'; readonly url: string }

/** Where the master keys come from. */
export interface KeysConfig {
  /** Absolute file names. */
  readonly files: readonly string[]
  /** Names of environment variables. */
  readonly env: readonly string[]
  /** Aperture's database, whose credentials open here too. */
  readonly aperture: ApertureConfig | undefined
  /** Whether the file says so, or it is the default `turnpike.key` beside it. */
  readonly explicit: boolean
}

/** One priced or free path. */
export interface RouteConfig {
  /** `[METHOD[,METHOD]] PATH` as written. */
  readonly match: string
  /** What header lines must hold besides; `undefined`: whatever they are. */
  readonly matchHeaders: readonly HeaderCondition[] | undefined
  /** For logs, metrics and tables: `match`, and which headers decide. */
  readonly name: string
  readonly free: boolean
  /** 0 on a free route, and on one whose price is not fixed. */
  readonly priceMsat: bigint
  /** What says the price; `undefined` where it is fixed, or nothing is to be paid. */
  readonly price: PriceConfig | undefined
  readonly grants: Grants
  /** What each request draws from the credit; `undefined` where the route is not metered. */
  readonly charge: Charge | undefined
  /** What its credentials are bound to; a route's own where it and its service name one. */
  readonly conditions: MintedConditions | undefined
  /** What a credential must hold here; by default `routeCapability` of `match`. Empty: nothing in particular. */
  readonly capability: string
  /** How long the upstream may take to its first byte. */
  readonly timeoutMs: number
  /** Most bytes of a body; `undefined`: any number. */
  readonly bodyLimit: number | undefined
  /** What it gives away, limits, or only watches. */
  readonly policy: RoutePolicyConfig
  readonly allowEncodedSlash: boolean
  /** Lets `X-HTTP-Method-Override` and the like through to the upstream. */
  readonly keepOverrideHeaders: boolean
  /** The invoice's description, where the operator gave one; may hold names in braces. */
  readonly memo: string | undefined
  /** Paid on delivery. */
  readonly hold: boolean
  /** Left out of the discovery documents. */
  readonly hidden: boolean
  /** Where `match` stands in the file. */
  readonly position: Position
}

/** The upstream that `upstream: sample` names: the built-in sample API. */
export const sampleUpstream = 'sample'

/** One service: where its requests go and what its paths cost. */
export interface ServiceConfig extends ForwardingConfig {
  /** Prefix of its caveat conditions. */
  readonly name: string
  /** How its upstreams are spoken to beyond their addresses. */
  readonly upstreamSide: UpstreamSide
  readonly tier: number
  /** Host names (with a port where one was given) in lower case; empty: any, or what the conditions of its routes say. */
  readonly hosts: readonly string[]
  readonly unknownCaveats: 'skip' | 'refuse'
  /** The invoices' description, of routes without one of their own. */
  readonly memo: string | undefined
  /** What the payment page says of it; `false`: none. */
  readonly page: ServicePage | false
  readonly timeoutMs: number
  readonly forwardCredential: boolean
  /** What its credentials are minted with besides. */
  readonly mints: MintsConfig | undefined
  /** What it gives away and limits. */
  readonly policy: PolicyConfig
  /** For the discovery documents. */
  readonly description: string | undefined
  /** The upstream's own OpenAPI document. */
  readonly openapi: Readonly<Record<string, unknown>> | undefined
  /** Left out of the discovery documents. */
  readonly hidden: boolean
  readonly access: AddressListConfig
  /** `undefined`: as browsers need it to pay; `null`: off. */
  readonly cors: CorsPolicy | null | undefined
  /** In the order written, which is the order of matching. */
  readonly routes: readonly RouteConfig[]
  readonly position: Position
}

/** Which requests get a log line: none; those answered with 400 and above; all. */
export type RequestLogging = 'none' | 'problems' | 'all'

/** `log.level`. */
type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** A whole configuration. Plain data throughout: with several workers it is sent to each of them. */
export interface Config {
  /** As the user named it; for messages. */
  readonly file: string
  /** Absolute folder of the file; relative names in it start here. */
  readonly folder: string
  readonly listen: readonly ListenAddress[]
  /** The certificate of the addresses that speak TLS. */
  readonly tls: TlsConfig | undefined
  /** `undefined`: whatever the backend is on. */
  readonly network: Network | undefined
  /** In the order they are asked; the sandbox only alone. */
  readonly lightning: readonly LightningConfig[]
  /** The files that the backends are set up with. */
  readonly lightningFiles: readonly NamedFile[]
  /** Which amounts are sold: what all of the backends take. */
  readonly amounts: AmountLimits
  /** Whether the node must call an invoice settled before its credential is honoured. */
  readonly strict: boolean
  readonly store: StoreConfig
  readonly keys: KeysConfig
  /** In the order written. */
  readonly services: readonly ServiceConfig[]
  /** Where prices in fiat money take their rates from. */
  readonly rates: RatesConfig | undefined
  readonly challenges: {
    /** `null`: no limit. */
    readonly limit: ChallengeLimit | null
    /** CIDR blocks that are not limited. */
    readonly exempt: readonly string[]
    readonly invoiceExpirySeconds: number
    readonly economics: EconomicsConfig
  }
  readonly idempotency: {
    /** How long an answer is kept. */
    readonly keepSeconds: number
    /** Most bytes of a body that is kept. */
    readonly keepBytes: number
  }
  /** Who is answered at all. */
  readonly access: AddressListConfig
  /** CIDR blocks of the proxies in front, whose word about the client counts. */
  readonly trustedProxies: readonly string[]
  readonly admin: {
    readonly listen: ListenAddress
    /** Absolute. */
    readonly tokenFile: string | undefined
  }
  readonly webhooks: readonly WebhookConfig[]
  readonly journal: {
    /** How long a sale is kept after it. */
    readonly keepSeconds: number
    /** Most open invoices that are remembered; 0: none. */
    readonly openInvoices: number
  }
  /** The services that were changed through the admin API, and the texts that this was read from. */
  readonly overlay: {
    /** Absolute. */
    readonly file: string
    /** For messages. */
    readonly shown: string
    readonly mainText: string
    /** `undefined`: there is none. */
    readonly text: string | undefined
  }
  /** Challenges that clients of Aperture can use. */
  readonly lsat: boolean
  /** What the discovery documents say of all; `undefined`: there are none. */
  readonly discovery: Titles | undefined
  /** To whom the Payment scheme is offered beside L402. */
  readonly paymentScheme: PaymentSchemeMode
  /** That scheme's sessions; `undefined`: none are offered. */
  readonly sessions: SessionsConfig | undefined
  /** The payment page; `false`: none. */
  readonly page: PageOptions | false
  /** Where other proxies ask; `undefined`: nowhere. */
  readonly forwardAuth: ForwardAuthConfig | undefined
  readonly drainTimeoutMs: number
  readonly log: { readonly level: LogLevel; readonly requests: RequestLogging; readonly access: AccessConfig }
  /** `undefined`: no traces are made. */
  readonly tracing: TracingConfig | undefined
  /** How many processes serve. */
  readonly workers: number
}

/** `http://host:port` of an address, or `https://…`; IPv6 in brackets. */
export function addressUrl({ host, port, tls = false }: ListenAddress): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
