import { isCredentialLine } from '@turnpike/l402'
import { type Entitlement, isAuthority, withoutPageCookies } from '@turnpike/l402/server'
import type { ClientFacts } from './client-facts.ts'
import { isGrpcType } from './grpc.ts'
import { editLines } from './header-edits.ts'
import { headerKind } from './header-kinds.ts'
import type { ProxyRoute } from './routing.ts'

/** What the gateway needs to know of a request's header lines before it looks at the target. */
export interface RequestHead {
  readonly ok: true
  /** In lower case; empty without a `Host` line, which only HTTP/1.0 allows. */
  readonly host: string
  readonly hasBody: boolean
  /** Of the body, where `Content-Length` says it; else -1. */
  readonly bodyLength: number
  readonly expect: string | undefined
  readonly upgrade: string | undefined
  /** Whether a browser asks across origins. */
  readonly crossOrigin: boolean
  /** Whether it is gRPC, and its answer is to be. */
  readonly grpc: boolean
  /** The origin it asks from; empty where it does not. */
  readonly origin: string
  /** Fields that `Connection` names, in lower case: not for the upstream. */
  readonly connectionNames: ReadonlySet<string> | undefined
}

/** A request that is answered with 400, after which the connection closes. */
export interface BadHead {
  readonly ok: false
  readonly detail: string
}

/**
 * Reads the raw header lines of a request: one `Host`, one framing. What llhttp in its strict mode lets pass and
 * another reader could take for different framing is refused here. `streamed`: whether a body follows, where the framing of
 * HTTP/2 says it.
 */
export function readHead(
  lines: readonly string[],
  httpVersion: string,
  streamed?: boolean,
): RequestHead | BadHead {
  let host: string | undefined
  let length: string | undefined
  let coding: string | undefined
  let expect: string | undefined
  let upgrade: string | undefined
  let connection: string | undefined
  let crossOrigin = false
  let grpc = false
  let origin = ''
  for (let i = 0; i < lines.length; i += 2) {
    const value = lines[i + 1] ?? ''
    switch (headerKind(lines[i] ?? '')) {
      case 'host':
        if (host !== undefined) return bad('the request has two Host lines')
        host = value.toLowerCase()
        break
      case 'length':
        if (length !== undefined) return bad('the request has two Content-Length lines')
        length = value
        break
      case 'coding':
        if (coding !== undefined) return bad('the request has two Transfer-Encoding lines')
        coding = value.toLowerCase()
        break
      case 'connection':
        connection = connection === undefined ? value : `${connection},${value}`
        break
      case 'expect':
        expect = value.toLowerCase()
        break
      case 'upgrade':
        upgrade = value.toLowerCase()
        break
      case 'type':
        grpc = isGrpcType(value)
        break
      case 'origin':
        crossOrigin = true
        origin = value
    }
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0' && streamed === undefined)
    return bad('expected HTTP/1.1 or HTTP/1.0')
  if (coding !== undefined) {
    if (length !== undefined) return bad('the request has both Content-Length and Transfer-Encoding')
    if (coding !== 'chunked') return bad('expected no transfer coding but chunked')
    if (httpVersion === '1.0') return bad('HTTP/1.0 has no transfer codings')
  }
  if (length !== undefined && !/^[0-9]{1,15}$/.test(length)) {
    return bad('expected a Content-Length of at most 15 digits')
  }
  if (host === undefined ? httpVersion !== '1.0' : !isAuthority(host)) {
    return bad('expected one Host line with a host and, where needed, a port')
  }
  return {
    ok: true,
    host: host ?? '',
    bodyLength: length === undefined ? -1 : Number(length),
    hasBody: streamed ?? (coding !== undefined || (length !== undefined && Number(length) > 0)),
    // HTTP/1.0 knows no 100 Continue.
    expect: httpVersion === '1.0' ? undefined : expect,
    upgrade,
    crossOrigin,
    grpc,
    origin,
    connectionNames: connection === undefined ? undefined : connectionNames(connection),
  }
}

function bad(detail: string): BadHead {
  return { ok: false, detail }
}

/** The field names in a `Connection` value, or `undefined` for the usual `keep-alive` or `close`. */
export function connectionNames(value: string): ReadonlySet<string> | undefined {
  const text = value.toLowerCase()
  if (text === 'keep-alive' || text === 'close') return undefined
  return new Set(text.split(',').map((name) => name.trim()))
}

/** What the gateway tells the upstream about a request. */
export interface UpstreamFacts {
  readonly route: ProxyRoute
  readonly head: RequestHead
  readonly client: ClientFacts
  /** `null` on a free route. */
  readonly entitlement: Entitlement | null
}

/**
 * The header lines for the upstream: those that came, in their order and spelling, without what is for this connection
 * only, without credentials, without what only the gateway may say, and then what the gateway says. `Host` and
 * `Connection` are left to the connection.
 */
export function upstreamLines(lines: readonly string[], facts: UpstreamFacts): string[] {
  const { route, head, client, entitlement } = facts
  const { address, scheme, host } = client
  const plain = readsBody(route) || entitlement?.session !== undefined
  const { connectionNames: dropped } = head
  const out: string[] = []
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] ?? ''
    const value = lines[i + 1] ?? ''
    switch (headerKind(name)) {
      case 'other':
        if (!route.forwardCredential && isCredentialLine(name, value)) break
        if (dropped === undefined || !dropped.has(name.toLowerCase())) out.push(name, value)
        break
      case 'encoding':
        if (plain) break
        if (dropped === undefined || !dropped.has('accept-encoding')) out.push(name, value)
        break
      case 'cookie': {
        const cookies = route.forwardCredential ? value : withoutPageCookies(value)
        if (cookies !== undefined && (dropped === undefined || !dropped.has('cookie')))
          out.push(name, cookies)
        break
      }
      case 'plain':
      case 'type':
      case 'origin':
        if (dropped === undefined || !dropped.has(name.toLowerCase())) out.push(name, value)
        break
      case 'length':
        out.push(name, value)
        break
      case 'te':
        if (/(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value)) out.push(name, 'trailers')
        break
      case 'proof':
        if (route.forwardCredential) out.push(name, value)
        break
      case 'override':
        if (route.keepOverrideHeaders) out.push(name, value)
    }
  }
  if (route.requestEdits !== undefined) editLines(out, route.requestEdits)
  // What is metered is read on its way, so it is asked for as it is.
  if (plain) out.push('Accept-Encoding', 'identity')
  const node = address.includes(':') ? `"[${address}]"` : address || 'unknown'
  out.push('X-Forwarded-For', client.forwardedFor, 'X-Forwarded-Proto', scheme)
  if (host !== '') out.push('X-Forwarded-Host', host)
  out.push('Forwarded', `for=${node};${host === '' ? '' : `host="${host}";`}proto=${scheme}`)
  if (entitlement !== null && entitlement.freebie !== true) {
    out.push('X-L402-Token-Id', entitlement.tokenId, 'X-L402-Service', entitlement.service)
    out.push('X-L402-Payment-Hash', entitlement.paymentHash)
  }
  return out
}

/** Whether what a request costs stands in its answer's body. */
function readsBody({ terms: { charge, pricer } }: ProxyRoute): boolean {
  if (pricer?.metered !== undefined) return true
  return charge !== undefined && (charge.json !== undefined || charge.usage !== undefined)
}
