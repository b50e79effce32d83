import type { UnpackBounds } from './unpack-bounds.ts'

/** A `fetch` that does what curl would: bytes as they come, every port, no header but the ones it was given. */
export interface PlainFetch {
  readonly fetch: typeof globalThis.fetch
  /** Ends every connection, also one whose body nobody reads. */
  close(): Promise<void>
}

/** How requests are made. */
export interface FetchSettings {
  /** `-k`: certificates are not checked. */
  readonly insecure: boolean
  /** Takes gzip, deflate and br off the answers. Default false: bytes as they come. */
  readonly compressed?: boolean | undefined
  /** How large that may make an answer. Default: 1 GiB, and 200 times what came. */
  readonly unpackBounds?: UnpackBounds | undefined
  /** HTTP/2 where an https server offers it. Default false. */
  readonly http2?: boolean | undefined
  /** Milliseconds to make a connection in, TLS included; 0 for ever. Default 60,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds from the end of the request until the answer's headers are there; 0 for ever. Default 600,000. */
  readonly responseTimeoutMs?: number | undefined
  /** Milliseconds that a body, of the request or the answer, may stand still; 0 for ever. Default 300,000. */
  readonly idleTimeoutMs?: number | undefined
  /**
   * Connects to public addresses only: for callers that do not choose their URLs themselves. Proxies are not used
   * then, because they connect where nobody checks.
   */
  readonly publicOnly?: boolean | undefined
  /** Addresses and ranges that `publicOnly` leaves reachable. */
  readonly allowAddresses?: readonly string[] | undefined
  /** Where `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (or the same in small letters) are looked up. Default: nowhere. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** How long each stage of an exchange may take. None is about all of it. */
export type Timeouts = Readonly<Record<'connectTimeoutMs' | 'responseTimeoutMs' | 'idleTimeoutMs', number>>

/** The time-outs that were set, with defaults for the others. */
export function timeoutsOf(settings: FetchSettings): Timeouts {
  const { connectTimeoutMs = 60_000, responseTimeoutMs = 600_000, idleTimeoutMs = 300_000 } = settings
  return { connectTimeoutMs, responseTimeoutMs, idleTimeoutMs }
}
