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
  /** HTTP/2 where an https server offers it. Default false. */
  readonly http2?: boolean | undefined
  /** Milliseconds to make a connection in, TLS included. Default: as long as the system tries. */
  readonly connectTimeoutMs?: number | undefined
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
