/** Who asks, and what they asked: behind proxies that are trusted, what those say of it. */

import { isIP, type Socket } from 'node:net'
import { isAuthority } from '@turnpike/l402/server'
import type { ClientRequest } from './client-side.ts'
import { proxiedAddress } from './proxy-protocol.ts'

/** Whether an address is one of the operator's own proxies. */
export type TrustedProxies = (address: string) => boolean

/** What is known of a client. */
export interface ClientFacts {
  /** An IPv4 address in an IPv6 one is written as the IPv4 one; empty where there is none. */
  readonly address: string
  /** `X-Forwarded-For` for the upstream: who the proxies before us asked for, and our peer. */
  readonly forwardedFor: string
  readonly scheme: 'http' | 'https'
  /** The authority the client asked, in lower case; empty where nothing says it. */
  readonly host: string
}

/**
 * The facts of a request. Nobody but a trusted proxy can say who it asks for: the client is the right-most address of
 * `X-Forwarded-For` (or of `Forwarded`, where there is none) that no trusted proxy has, walked from our peer on. What is not
 * an address ends the walk.
 */
export function clientFacts(
  req: ClientRequest,
  peer: string,
  { host, trusted }: { readonly host: string; readonly trusted: TrustedProxies | undefined },
): ClientFacts {
  const scheme = req.scheme ?? ('encrypted' in req.socket ? 'https' : 'http')
  if (trusted === undefined || peer === '' || !trusted(peer))
    return { address: peer, forwardedFor: peer || 'unknown', scheme, host }
  const chain = forwardedAddresses(req)
  let address = peer
  for (let i = chain.length - 1; i >= 0; i--) {
    const before = readNode(chain[i] ?? '')
    if (before === undefined) break
    address = before
    if (!trusted(before)) break
  }
  const said = lastOf(req, 'x-forwarded-proto')?.toLowerCase()
  const saidHost = lastOf(req, 'x-forwarded-host')?.toLowerCase()
  return {
    address,
    forwardedFor: [...chain, peer].join(', '),
    scheme: said === 'https' || said === 'http' ? said : scheme,
    host: saidHost !== undefined && isAuthority(saidHost) ? saidHost : host,
  }
}

/** The peer's address; taken at once, as a closed socket has none. */
export function peerAddress(socket: Socket): string {
  return plainAddress(proxiedAddress(socket) ?? socket.remoteAddress ?? '')
}

function forwardedAddresses(req: ClientRequest): readonly string[] {
  const lines = req.headersDistinct['x-forwarded-for']
  if (lines !== undefined) return itemsOf(lines)
  // RFC 7239 §4: `for=` of each element.
  return itemsOf(req.headersDistinct['forwarded'] ?? []).flatMap((element) => {
    const part = element.split(';').find((pair) => /^[ \t]*for=/i.test(pair))
    return part === undefined
      ? ['unknown']
      : [
          part
            .replace(/^[ \t]*for=/i, '')
            .replaceAll('"', '')
            .trim(),
        ]
  })
}

function lastOf(req: ClientRequest, name: string): string | undefined {
  return itemsOf(req.headersDistinct[name] ?? []).at(-1)
}

function itemsOf(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => line.split(',')).flatMap((item) => item.trim() || [])
}

/** An address, with a port or without; `undefined` for anything else, such as `unknown` or `_hidden`. */
function readNode(text: string): string | undefined {
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?$/.exec(text)?.[1]
  const plain = bracketed ?? (/^[0-9.]+:[0-9]{1,5}$/.test(text) ? text.slice(0, text.indexOf(':')) : text)
  if (isIP(plain) === 0 || plain.includes('%')) return undefined
  return plainAddress(plain.toLowerCase())
}

function plainAddress(address: string): string {
  const v4 = address.startsWith('::ffff:') ? address.slice(7) : ''
  return isIP(v4) === 4 ? v4 : address
}
