/** What a proxy says, in the header lines of its question, of the request that it carries. */

import { isIP } from 'node:net'
import type { AskedFacts } from '../proxy/index.ts'

/** A question that cannot be read: the proxy is set up wrongly, or its client tries to speak for it. */
export interface Unreadable {
  /** One sentence. Never holds a value. */
  readonly detail: string
}

/** Lines that are about the proxy's own connection, or that nobody but the gateway may say. */
const DROPPED =
  /^(?:host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|content-length|expect|upgrade|http2-settings|forwarded|x-real-ip|x-forwarded-.*|x-original-(?:method|uri|content-length)|x-l402-.*)$/

const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/

/**
 * Reads the lines of a question. Method and target are said by `X-Forwarded-Method` and `X-Forwarded-Uri` (Caddy, Traefik)
 * or by `X-Original-Method` and `X-Original-URI` (nginx). A client can send those that its proxy does not set, so both
 * lines of one pair must be there, and where both pairs are they must say the same.
 */
export function readForwarded(raw: readonly string[]): AskedFacts | Unreadable {
  const said = new Map<string, string[]>()
  const lines: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    // What CGI reads as the same name is the same name.
    const plain = name.toLowerCase().replaceAll('_', '-')
    if (!DROPPED.test(plain)) lines.push(name, value)
    else if (plain.startsWith('x-')) said.set(plain, [...(said.get(plain) ?? []), value])
  }
  const twice = ['method', 'uri', 'host', 'proto'].find(
    (name) => (said.get(`x-forwarded-${name}`)?.length ?? 0) > 1,
  )
  if (
    twice !== undefined ||
    [...said].some(([name, values]) => name.startsWith('x-original-') && values.length > 1)
  )
    return { detail: 'expected each X-Forwarded-… and X-Original-… line once' }
  const one = (name: string): string | undefined => said.get(name)?.[0]
  const request = agreed([
    { method: one('x-forwarded-method'), target: one('x-forwarded-uri') },
    { method: one('x-original-method'), target: one('x-original-uri') },
  ])
  if ('detail' in request) return request
  const host = one('x-forwarded-host')?.toLowerCase()
  const scheme = one('x-forwarded-proto')?.toLowerCase()
  if (host === undefined) return { detail: 'expected X-Forwarded-Host with the host that the client asked' }
  if (scheme !== 'http' && scheme !== 'https')
    return { detail: 'expected X-Forwarded-Proto with http or https' }
  const hops = (said.get('x-forwarded-for') ?? [])
    .flatMap((value) => value.split(','))
    .map((hop) => hop.trim())
  const peer = (hops.pop() ?? '').toLowerCase()
  if (isIP(peer) === 0) return { detail: 'expected X-Forwarded-For with the address of the client' }
  const length = one('x-original-content-length') || undefined
  if (length !== undefined && !/^[0-9]{1,15}$/.test(length))
    return { detail: 'expected X-Original-Content-Length with a whole number of at most 15 digits' }
  const bodyLength = length === undefined ? undefined : Number(length)
  return { ...request, host, scheme, peer, forwardedFor: hops.join(', '), bodyLength, lines }
}

function agreed(
  pairs: readonly { readonly method: string | undefined; readonly target: string | undefined }[],
): { readonly method: string; readonly target: string } | Unreadable {
  let found: { readonly method: string; readonly target: string } | undefined
  for (const { method, target } of pairs) {
    if (method === undefined && target === undefined) continue
    if (method === undefined || target === undefined || !METHOD.test(method))
      return { detail: 'expected X-Forwarded-Method and X-Forwarded-Uri together' }
    if (found !== undefined && (found.method !== method || found.target !== target))
      return { detail: 'X-Forwarded-Method and -Uri say another request than X-Original-Method and -URI' }
    found = { method, target }
  }
  return (
    found ?? { detail: 'expected X-Forwarded-Method and X-Forwarded-Uri of the request that is asked about' }
  )
}
