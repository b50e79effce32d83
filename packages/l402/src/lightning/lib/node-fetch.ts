/** A `fetch` on Node's own https: pinned to certificates that no authority has signed, and through a SOCKS proxy. */

import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import * as http from 'node:http'
import * as https from 'node:https'
import type { Duplex } from 'node:stream'
import { Readable } from 'node:stream'
import { checkServerIdentity, connect as connectTls, type PeerCertificate } from 'node:tls'
import { connectThroughSocks } from './socks.ts'

/** What to be careful about. */
export interface NodeFetchOptions {
  /** PEM text: only a server with one of these certificates, or one signed by one of them, is spoken to. */
  readonly tlsCert?: string | undefined
  /** `socks5h://127.0.0.1:9050`: names are resolved by the proxy, so .onion hosts work. */
  readonly proxy?: string | undefined
}

const BODILESS = [204, 205, 304]

/** @throws TypeError for PEM text or a proxy that cannot be read. */
export function nodeFetch({ tlsCert, proxy }: NodeFetchOptions): typeof globalThis.fetch {
  const pinned = tlsCert === undefined ? undefined : readCertificates(tlsCert)
  const tls = {
    ...(tlsCert === undefined ? {} : { ca: tlsCert }),
    checkServerIdentity: (host: string, certificate: PeerCertificate): Error | undefined =>
      // A node's own certificate is right under whatever name it is reached.
      pinned?.has(certificate.fingerprint256) ? undefined : checkServerIdentity(host, certificate),
  }
  const socks = proxy === undefined ? undefined : socksAddress(proxy)
  const agents = { keepAlive: true, maxSockets: 64 }
  const plain = new http.Agent(agents)
  const secure = new https.Agent({ ...agents, ...tls })
  if (socks !== undefined) {
    Object.assign(plain, { createConnection: through(socks, undefined) })
    Object.assign(secure, { createConnection: through(socks, tls) })
  }

  const send = (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(String(input))
    const isTls = url.protocol === 'https:'
    const { method = 'GET', body, signal } = init
    const options: https.RequestOptions = {
      method,
      headers: Object.fromEntries(new Headers(init.headers)),
      agent: isTls ? secure : plain,
      ...(signal ? { signal } : {}),
    }
    return new Promise((resolve, reject) => {
      const request = (isTls ? https : http).request(url, options)
      request.once('error', (cause: Error & { code?: string }) => {
        // The server closed a kept connection just then, and has read nothing of this: asked again where that is harmless.
        const stale = request.reusedSocket && cause.code === 'ECONNRESET' && method === 'GET'
        if (stale) resolve(send(input, init))
        else reject(new TypeError('fetch failed', { cause }))
      })
      request.once('response', (answer) => resolve(responseOf(answer)))
      request.end(body ?? undefined)
    })
  }
  return send
}

function responseOf(answer: IncomingMessage): Response {
  const { statusCode = 502 } = answer
  const headers = new Headers()
  for (const [name, value] of Object.entries(answer.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one)
  }
  const bodiless = BODILESS.includes(statusCode)
  if (bodiless) answer.resume()
  const body = bodiless ? null : (Readable.toWeb(answer) as unknown as ReadableStream<Uint8Array>)
  return new Response(body, { status: statusCode > 599 || statusCode < 200 ? 502 : statusCode, headers })
}

function readCertificates(pem: string): ReadonlySet<string> {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    if (blocks.length > 0) return new Set(blocks.map((block) => new X509Certificate(block).fingerprint256))
  } catch {
    // Said below.
  }
  throw new TypeError('tlsCert: expected a certificate in PEM ("-----BEGIN CERTIFICATE-----")')
}

function socksAddress(proxy: string): { readonly host: string; readonly port: number } {
  const url = URL.canParse(proxy) ? new URL(proxy) : undefined
  if (url === undefined || !/^socks5h?:$/.test(url.protocol) || url.hostname === '')
    throw new TypeError('proxy: expected a SOCKS 5 proxy, e.g. socks5h://127.0.0.1:9050')
  return { host: url.hostname, port: Number(url.port || 1080) }
}

/** An agent's way of connecting: through the proxy, and with `tls` secured there. */
function through(
  socks: { readonly host: string; readonly port: number },
  tls: object | undefined,
): (
  target: { readonly host?: string; readonly port?: number | string },
  done: (error: Error | null, socket?: Duplex) => void,
) => undefined {
  return (target, done) => {
    const host = (target.host ?? '').replace(/^\[|\]$/g, '')
    const port = Number(target.port)
    connectThroughSocks(socks, { host, port }).then(
      (socket) => {
        if (tls === undefined) {
          done(null, socket)
          // It was stopped so that nothing is lost in between.
          socket.resume()
          return
        }
        const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host }
        done(null, connectTls({ socket, host, ...servername, ...tls }))
      },
      (error: Error) => done(error),
    )
    return undefined
  }
}
