/**
 * Proofs of possession (RFC 9449), the client's half: a key of its own for each credential that is bound to one. The
 * key stands in the purse's notes beside what it belongs to, and goes nowhere else (rule C10).
 */

import { encodeBase64Url, encodeHex, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import type { Run } from './run.ts'

const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const

/** The public half, as RFC 7638 orders it. */
interface PublicJwk {
  readonly crv: string
  readonly kty: string
  readonly x: string
  readonly y: string
}

/** A key that proves. Its private half cannot be read out of it. */
export interface ProofKey {
  /** JWK SHA-256 thumbprint, base64url: the value of `dpop_jkt`. */
  readonly thumbprint: string
  readonly publicJwk: PublicJwk
  readonly privateKey: CryptoKey
}

/** A key to bind to, and the text under which a purse keeps it, a secret; without one it is in the purse already. */
export interface KeyToBind {
  readonly key: ProofKey
  readonly secretText?: string
}

/** Makes a key (P-256, for `ES256`). */
async function makeProofKey(): Promise<KeyToBind> {
  const { subtle } = globalThis.crypto
  const { privateKey } = await subtle.generateKey(CURVE, true, ['sign', 'verify'])
  const secretText = JSON.stringify(await subtle.exportKey('jwk', privateKey))
  return { key: await readKey(secretText), secretText }
}

async function readKey(secretText: string): Promise<ProofKey> {
  const { crv = '', kty = '', x = '', y = '', d = '' } = JSON.parse(secretText) as JsonWebKey
  const publicJwk = { crv, kty, x, y }
  const jwk = { ...publicJwk, d }
  return {
    thumbprint: encodeBase64Url(sha256(encodeUtf8(JSON.stringify(publicJwk)))),
    publicJwk,
    privateKey: await globalThis.crypto.subtle.importKey('jwk', jwk, CURVE, false, ['sign']),
  }
}

function noteOf(thumbprint: string): string {
  return `dpop key ${thumbprint}`
}

/** Names the one key of an origin that nothing was paid for; empty for none. */
const UNUSED = 'dpop unused key'

/**
 * A key for what may be bought of this origin: the one of a quote, or of a purchase that came to nothing, before a new one. So
 * prices that are asked for leave one key behind, however many they are.
 */
export async function keyToBind(run: Run, origin: string): Promise<KeyToBind> {
  const unused = await run.purse.note(origin, UNUSED)
  const key = unused ? await proofKeyFor(run, origin, unused) : undefined
  return key === undefined ? await makeProofKey() : { key }
}

/** Keeps a key, durably, before anything is paid that needs it. */
export async function keepProofKey(run: Run, origin: string, { key, secretText }: KeyToBind): Promise<void> {
  if (secretText === undefined) return
  await run.purse.setNote(origin, noteOf(key.thumbprint), secretText)
  await run.purse.setNote(origin, UNUSED, key.thumbprint)
  run.proofKeys.set(cacheName(origin, key.thumbprint), key)
}

/** What is bound to this key is about to be paid: the next purchase has another one. */
export async function useProofKey(run: Run, origin: string, thumbprint: string): Promise<void> {
  if ((await run.purse.note(origin, UNUSED)) === thumbprint) await run.purse.setNote(origin, UNUSED, '')
}

/** A key is its origin's alone, in memory too: two sellers who name the same one learn nothing of each other's buyer. */
function cacheName(origin: string, thumbprint: string): string {
  return `${origin} ${thumbprint}`
}

/** The purse's key for a credential of this origin; `undefined` where it has none. */
export async function proofKeyFor(
  run: Run,
  origin: string,
  thumbprint: string,
): Promise<ProofKey | undefined> {
  const known = run.proofKeys.get(cacheName(origin, thumbprint))
  if (known) return known
  const text = await run.purse.note(origin, noteOf(thumbprint))
  if (text === undefined) return undefined
  const key = await readKey(text)
  run.proofKeys.set(cacheName(origin, thumbprint), key)
  return key
}

/** What a proof is for. */
export interface ProofOf {
  readonly method: string
  readonly url: URL
  /** What stands behind the scheme, or the macaroon; `null` in a request without a credential. */
  readonly token: string | null
  /** Unix milliseconds. */
  readonly nowMs: number
}

/** A fresh proof: the value of one `DPoP` header, good for one request. */
export async function proofFor(key: ProofKey, { method, url, token, nowMs }: ProofOf): Promise<string> {
  const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: key.publicJwk }
  const payload = {
    jti: encodeHex(globalThis.crypto.getRandomValues(new Uint8Array(16))),
    htm: method,
    htu: url.origin + url.pathname,
    iat: Math.floor(nowMs / 1000),
    ...(token === null ? {} : { ath: encodeBase64Url(sha256(encodeUtf8(token))) }),
  }
  const signed = [header, payload].map((part) => encodeBase64Url(encodeUtf8(JSON.stringify(part)))).join('.')
  const bytes = new Uint8Array(encodeUtf8(signed))
  const signature = await globalThis.crypto.subtle.sign(SIGNATURE, key.privateKey, bytes)
  return `${signed}.${encodeBase64Url(new Uint8Array(signature))}`
}
