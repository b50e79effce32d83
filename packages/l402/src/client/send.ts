/** Sends one hop, with or without a credential. */

import { encodeHex } from '../core/bytes.ts'
import { attenuateMacaroon } from '../core/chain.ts'
import { formatCredential } from '../core/credential.ts'
import { encodeMacaroon } from '../core/macaroon.ts'
import type { StoredCredential } from '../stores/purse.ts'
import { boundKey, readMacaroon } from './credential-facts.ts'
import { proofFor, proofKeyFor } from './dpop.ts'
import { copyOf, type Hop, isOneTime } from './hop.ts'
import { attachCharge } from './payment-scheme/carry.ts'
import type { Run } from './run.ts'
import { shownUrl } from './scope.ts'
import type { PreparedRequest } from './types.ts'

/** Methods that may be sent again when a connection broke (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** Sends the hop. Redirects come back as they are; throws what `fetch` throws. */
export async function send(
  run: Run,
  request: PreparedRequest,
  exchange: { readonly hop: Hop; readonly credential: StoredCredential | null },
): Promise<Response> {
  const { hop, credential } = exchange
  const headers = copyOf(hop.headers)
  if (credential) {
    attach(headers, credential)
    await prove(run, { hop, headers, credential })
  }
  const url = shownUrl(hop.url)
  run.emit({ type: 'request', method: hop.method, url, credentialId: credential?.id ?? null })
  const init: RequestInit & { duplex?: 'half' } = {
    ...request.init,
    method: hop.method,
    headers,
    body: hop.body,
    redirect: 'manual',
    signal: request.signal,
  }
  if (isOneTime(hop.body)) init.duplex = 'half'
  const response = await run.fetch(hop.url.href, init)
  if (response.type === 'opaqueredirect' && request.redirect !== 'manual')
    return await shownRedirect(run, hop, init)
  run.emit({ type: 'response', url, status: response.status })
  return response
}

/** Sends the hop with what was just paid; once more over a new connection where that is harmless (rule C6). */
export async function sendPaid(
  run: Run,
  request: PreparedRequest,
  exchange: { readonly hop: Hop; readonly credential: StoredCredential },
): Promise<Response> {
  try {
    return await send(run, request, exchange)
  } catch (error) {
    if (request.signal?.aborted || !IDEMPOTENT.has(exchange.hop.method)) throw error
    return await send(run, request, exchange)
  }
}

/** Lets go of an answer that nobody will read. */
export async function discard(response: Response | null): Promise<void> {
  try {
    await response?.body?.cancel()
  } catch {
    // It broke by itself.
  }
}

/** RFC 9449: a proof of its own for each request, where the credential is bound to a key. */
async function prove(
  run: Run,
  { hop, headers, credential }: { hop: Hop; headers: Headers; credential: StoredCredential },
): Promise<void> {
  const thumbprint = boundKey(readMacaroon(credential.macaroon))
  if (thumbprint === undefined) return
  const key = await proofKeyFor(run, hop.url.origin, thumbprint)
  if (!key) return
  const { method, url } = hop
  const beside = headers.get('macaroon')
  const token = beside ?? headers.get('authorization')?.replace(/^\S+ +/, '') ?? null
  headers.set('dpop', await proofFor(key, { method, url, token, nowMs: run.now() }))
}

/** Values of what was sent before, as long as the credential is the same object. */
const values = new WeakMap<StoredCredential, string>()

function headerValue(credential: StoredCredential): string {
  let value = values.get(credential)
  if (value === undefined) {
    value = formatCredential(credential.macaroon, credential.preimage)
    values.set(credential, value)
  }
  return value
}

function attach(headers: Headers, credential: StoredCredential): void {
  if (attachCharge(headers, credential)) return
  if (!headers.has('authorization')) {
    headers.set('authorization', headerValue(credential))
    return
  }
  // protocol V3: beside the user's own Authorization, which is never replaced (rule C6).
  const macaroon = readMacaroon(credential.macaroon)
  if (!macaroon)
    throw new TypeError('a token that is no macaroon cannot stand beside an Authorization header')
  const proven = attenuateMacaroon(macaroon, [`preimage=${encodeHex(credential.preimage)}`])
  headers.set('macaroon', encodeHex(encodeMacaroon(proven)))
}

/**
 * Browsers do not show where a redirect leads, so the next hop could not be decided by hand (rule C7). They are asked
 * to follow it once without any credential of the purse, and the place they come to is taken for the redirect's.
 */
async function shownRedirect(run: Run, hop: Hop, init: RequestInit): Promise<Response> {
  if (hop.method !== 'GET' && hop.method !== 'HEAD')
    throw new TypeError('this platform hides redirects: ask for the URL that the server redirects to')
  const landed = await run.fetch(hop.url.href, {
    ...init,
    headers: copyOf(hop.headers),
    redirect: 'follow',
  })
  await discard(landed)
  if (landed.url === '' || landed.url === hop.url.href)
    throw new TypeError('the server redirects only with a credential, and this platform hides where to')
  return new Response(null, { status: 302, headers: { location: landed.url } })
}
