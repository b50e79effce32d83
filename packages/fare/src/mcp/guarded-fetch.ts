/** A `fetch` that connects to allowed addresses only. Every hop and every connection is checked, by address. */

import { lookup as dnsLookup, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector } from 'undici'
import { decoded } from '../net/decoded.ts'
import { headerList } from '../net/header-list.ts'
import type { AddressGuard } from '../net/ssrf-guard.ts'
import { fetchOver } from '../net/undici-fetch.ts'
import type { UnpackBounds } from '../net/unpack-bounds.ts'

/** Challenges may be large: a macaroon of 8 KiB stands in them twice (rule V6). */
const MOST_HEADER_BYTES = 256 * 1024
const CONNECT_TIMEOUT_MS = 10_000

/** Says which host, never where it led to. */
class AddressRefused extends Error {
  constructor(host: string) {
    super(`${host} is not a public address; the person who starts fare mcp can allow it with --allow-network`)
  }
}

/** A `fetch`, and what ends its connections. */
export interface GuardedFetch {
  readonly fetch: typeof globalThis.fetch
  close(): Promise<void>
}

/** Makes one, which takes content codings off within `bounds`. No proxy is used: it would connect in our place, unchecked. */
export function guardedFetch(guard: AddressGuard, bounds?: UnpackBounds): GuardedFetch {
  const connect = buildConnector({ lookup: guardedLookup(guard), timeout: CONNECT_TIMEOUT_MS })
  const dispatcher = new Agent({
    maxHeaderSize: MOST_HEADER_BYTES,
    headersTimeout: 0,
    bodyTimeout: 0,
    // A connection per request: what was paid for never goes out on one that the server is about to close (rule C6).
    pipelining: 0,
    connect(options, callback) {
      const host = options.hostname.replace(/^\[|\]$/g, '')
      // A literal address is never looked up.
      if (isIP(host) !== 0 && !guard.allows(host)) return callback(new AddressRefused(host), null)
      connect(options, (...answer) => {
        const [error, socket] = answer
        // What counts is where the connection has led to, whatever a resolver said.
        if (error === null && !guard.allows(socket.remoteAddress ?? '')) {
          socket.destroy()
          return callback(new AddressRefused(host), null)
        }
        callback(...answer)
      })
    },
  })
  const send = fetchOver(dispatcher)
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const headers = headerList(init.headers)
    if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'gzip, deflate, br')
    return decoded(await send(url, { ...init, headers }), bounds)
  }
  return { fetch: fetch as unknown as typeof globalThis.fetch, close: () => dispatcher.destroy() }
}

function guardedLookup(guard: AddressGuard): LookupFunction {
  return (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error) return callback(error, '', 0)
      const allowed = found.filter(({ address }) => guard.allows(address))
      const [first] = allowed
      if (first === undefined) return callback(new AddressRefused(hostname), '', 0)
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
