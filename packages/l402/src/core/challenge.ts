/** The L402 challenge: what a server writes (rule S2) and what a client finds (rule C1). */

import { type AuthChallenge, parseAuthChallenges } from './auth-header.ts'
import { decodeBase64, encodeBase64, equalBytes } from './bytes.ts'

/** An offer of a macaroon for the payment of an invoice. Nothing about either has been checked yet. */
export interface L402Challenge {
  readonly scheme: 'L402' | 'LSAT'
  /** The text of `macaroon` or `token`, to be sent back as it is. Usually base64 of a macaroon. */
  readonly macaroon: string
  /** The text of `invoice`, BOLT 11 if the server is honest. */
  readonly invoice: string
}

/** What {@link formatChallenge} writes. */
export interface ChallengeFields {
  /** Binary macaroon. */
  readonly macaroon: Uint8Array
  /** BOLT 11 text. */
  readonly invoice: string
  /** Only what the specification names, in its order: most deployed clients cannot read it. */
  readonly strictSpec?: boolean
  /** `LSAT` for the extra line that very old clients need (rule S3). Default `L402`. */
  readonly scheme?: 'L402' | 'LSAT'
}

/** The value after `WWW-Authenticate: `. Throws `TypeError` for an empty macaroon or an invoice that is not one word. */
export function formatChallenge(fields: ChallengeFields): string {
  const { macaroon, invoice, strictSpec = false, scheme = 'L402' } = fields
  if (macaroon.length === 0) throw new TypeError('macaroon: expected bytes, got none')
  if (!/^[0-9A-Za-z]+$/.test(invoice)) throw new TypeError('invoice: expected BOLT 11 text')
  const token = encodeBase64(macaroon) // rule S4
  if (strictSpec) return `${scheme} version="0", token="${token}", invoice="${invoice}"`
  // protocol S2: this order, these quotes, these separators
  return `${scheme} macaroon="${token}", invoice="${invoice}", version="0", token="${token}"`
}

function schemeOf(challenge: AuthChallenge): 'L402' | 'LSAT' | undefined {
  const scheme = challenge.scheme.toUpperCase()
  return scheme === 'L402' || scheme === 'LSAT' ? scheme : undefined
}

function isSameToken(a: string, b: string): boolean {
  if (a === b) return true
  const bytes = decodeBase64(a)
  const others = decodeBase64(b)
  return bytes !== undefined && others !== undefined && equalBytes(bytes, others)
}

/** What `Authorization: L402 …:…` can carry back unharmed: base64, base64url and other dotted tokens. */
const SENDABLE = /^[0-9A-Za-z+/=_.~-]+$/

/** One value that nothing speaks against; `undefined` otherwise. */
function macaroonText(params: ReadonlyMap<string, string>): string | undefined {
  const macaroon = params.get('macaroon')
  const token = params.get('token')
  if (macaroon !== undefined && token !== undefined && !isSameToken(macaroon, token)) return undefined
  const text = macaroon ?? token
  return text !== undefined && SENDABLE.test(text) ? text : undefined
}

/**
 * The usable L402 and LSAT challenges in the values of `WWW-Authenticate` field lines, in order. A challenge whose
 * macaroon or invoice is absent, repeated, cut off, or told in two ways is passed over: paying it could not be undone.
 */
export function findL402Challenges(values: readonly string[]): readonly L402Challenge[] {
  const usable: L402Challenge[] = []
  for (const challenge of parseAuthChallenges(values)) {
    const scheme = schemeOf(challenge)
    const { params, doubtful } = challenge
    if (scheme === undefined) continue
    if (doubtful.has('macaroon') || doubtful.has('token') || doubtful.has('invoice')) continue
    const macaroon = macaroonText(params)
    const invoice = params.get('invoice')
    if (macaroon === undefined || invoice === undefined || invoice === '') continue
    usable.push({ scheme, macaroon, invoice })
  }
  return usable
}
