/** A configuration that has been read and found right: every default filled in, every unit resolved. */

import type { Network } from '@turnpike/l402/lightning'
import type { SettingValues } from '@turnpike/l402/lightning/kinds'
import type { Charge, Grants, MintedConditions } from '@turnpike/l402/server'
import type { Position } from './issue.ts'

/** Where to listen. Port 0 is any free one. */
export interface ListenAddress {
  /** An IP address (without brackets) or a host name. */
  readonly host: string
  readonly port: number
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
  readonly free: boolean
  /** 0 on a free route. */
  readonly priceMsat: bigint
  readonly grants: Grants
  /** What each request draws from the credit; `undefined` where the route is not metered. */
  readonly charge: Charge | undefined
  /** What its credentials are bound to; a route's own where it and its service name one. */
  readonly conditions: MintedConditions | undefined
  /** What a credential must hold here; by default `routeCapability` of `match`. Empty: nothing in particular. */
  readonly capability: string
  /** How long the upstream may take to its first byte. */
  readonly timeoutMs: number
  readonly allowEncodedSlash: boolean
  /** Lets `X-HTTP-Method-Override` and the like through to the upstream. */
  readonly keepOverrideHeaders: boolean
  /** The invoice's description, where the operator gave one. */
  readonly memo: string | undefined
  /** Where `match` stands in the file. */
  readonly position: Position
}

/** The upstream that `upstream: sample` names: the built-in sample API. */
export const sampleUpstream = 'sample'

/** One upstream and what its paths cost. */
export interface ServiceConfig {
  /** Prefix of its caveat conditions. */
  readonly name: string
  /** `http://host:port/prefix` without a slash at the end, or {@link sampleUpstream}. */
  readonly upstream: string
  readonly tier: number
  /** Host names (with a port where one was given) in lower case; empty: any. */
  readonly hosts: readonly string[]
  readonly unknownCaveats: 'skip' | 'refuse'
  readonly timeoutMs: number
  readonly forwardCredential: boolean
  /** In the order written, which is the order of matching. */
  readonly routes: readonly RouteConfig[]
  readonly position: Position
}

/** Which requests get a log line: none; those answered with 400 and above; all. */
export type RequestLogging = 'none' | 'problems' | 'all'

/** `log.level`. */
type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** A whole configuration. */
export interface Config {
  /** As the user named it; for messages. */
  readonly file: string
  /** Absolute folder of the file; relative names in it start here. */
  readonly folder: string
  readonly listen: readonly ListenAddress[]
  /** `undefined`: whatever the backend is on. */
  readonly network: Network | undefined
  /** In the order they are asked; the sandbox only alone. */
  readonly lightning: readonly LightningConfig[]
  readonly store: StoreConfig
  readonly keys: KeysConfig
  /** In the order written. */
  readonly services: readonly ServiceConfig[]
  readonly challenges: {
    /** `null`: no limit. */
    readonly limit: ChallengeLimit | null
    /** CIDR blocks that are not limited. */
    readonly exempt: readonly string[]
    readonly invoiceExpirySeconds: number
  }
  readonly idempotency: {
    /** How long an answer is kept. */
    readonly keepSeconds: number
    /** Most bytes of a body that is kept. */
    readonly keepBytes: number
  }
  /** CIDR blocks of the proxies in front, whose word about the client counts. */
  readonly trustedProxies: readonly string[]
  readonly admin: {
    readonly listen: ListenAddress
    /** Absolute. */
    readonly tokenFile: string | undefined
  }
  readonly drainTimeoutMs: number
  readonly log: { readonly level: LogLevel; readonly requests: RequestLogging }
}

/** `http://host:port` of an address, IPv6 in brackets. */
export function addressUrl({ host, port }: ListenAddress): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
