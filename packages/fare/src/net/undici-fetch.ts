/** HTTP/2 and proxies, which need more than `node:http`. Loaded only where they are asked for. */

import { STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import { Agent, type Dispatcher, EnvHttpProxyAgent, Pool, request } from 'undici'
import { hasBody, responseOf } from './answer.ts'
import { MOST_HEADER_BYTES } from './direct-fetch.ts'
import { headerList } from './header-list.ts'
import type { Proxies } from './proxies.ts'
import { type FetchSettings, type PlainFetch, timeoutsOf } from './settings.ts'
import { type AddressGuard, guardedConnector } from './ssrf-guard.ts'

/** Makes the fetch. */
export function undiciFetch(
  settings: FetchSettings,
  { guard, proxies }: { readonly guard: AddressGuard | undefined; readonly proxies: Proxies | undefined },
): PlainFetch {
  const { insecure, http2 = false } = settings
  const { connectTimeoutMs, responseTimeoutMs, idleTimeoutMs } = timeoutsOf(settings)
  const tls = insecure ? { rejectUnauthorized: false } : {}
  const connect = { ...tls, timeout: connectTimeoutMs, allowH2: http2 }
  const bounds = {
    headersTimeout: responseTimeoutMs,
    bodyTimeout: idleTimeoutMs,
    maxHeaderSize: MOST_HEADER_BYTES,
    allowH2: http2,
    // A connection per request where it is HTTP/1.1 (rule C6).
    pipelining: http2 ? 1 : 0,
  }
  const options = {
    ...bounds,
    connect: guard ? guardedConnector(guard, connect) : connect,
  }
  const direct = new Agent(options)
  const proxied =
    proxies &&
    new EnvHttpProxyAgent({
      ...options,
      // As curl does: proxies commonly refuse CONNECT to ports other than 443. For https it is always a tunnel.
      proxyTunnel: false,
      // The bounds hold for connections to the proxy as well, which are made with no options but their own.
      factory: (origin, own) => new Pool(origin, { ...bounds, ...own }),
      requestTls: tls,
      proxyTls: {},
      httpProxy: proxies.http ?? '',
      httpsProxy: proxies.https ?? '',
      noProxy: proxies.none,
    })
  const fetch = (url: string, init: RequestInit): Promise<Response> => {
    // undici would send https through the proxy for http where it knows no other; curl does not.
    const takesProxy = proxies?.https !== undefined || !url.startsWith('https:')
    return fetchOver(proxied && takesProxy ? proxied : direct)(url, init)
  }
  const close = async (): Promise<void> => {
    await Promise.all([direct.destroy(), proxied?.destroy()])
  }
  return { fetch: fetch as typeof globalThis.fetch, close }
}

/** A `fetch` over a dispatcher: bytes as they come, redirects as they are. */
export function fetchOver(dispatcher: Dispatcher): (url: string, init: RequestInit) => Promise<Response> {
  return async (url, init) => {
    const { method = 'GET', headers, body, signal } = init
    const answer = await request(url, {
      dispatcher,
      method: method as 'GET',
      headers: [...headerList(headers)].flat(),
      body: (body ?? null) as Uint8Array | null,
      signal: signal ?? null,
      responseHeaders: 'raw',
    })
    const { statusCode: status } = answer
    // undici leaves it out of what comes by way of a proxy.
    const statusText = (answer.statusText as string | undefined) ?? STATUS_CODES[status] ?? ''
    const whole = hasBody(method, status)
    if (!whole) await answer.body.dump()
    return responseOf({
      status,
      statusText,
      headers: flat(answer.headers),
      body: whole ? (Readable.toWeb(answer.body) as ReadableStream<Uint8Array<ArrayBuffer>>) : null,
    })
  }
}

/** HTTP/2 has no raw header lines. */
function flat(headers: unknown): readonly string[] {
  if (Array.isArray(headers)) return headers.map(String)
  return Object.entries(headers as Record<string, string | string[]>).flatMap(([name, value]) =>
    [value].flat().flatMap((one) => [name, String(one)]),
  )
}
