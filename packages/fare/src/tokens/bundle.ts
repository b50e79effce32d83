/** Credentials on their way from one purse to another: one line of text, JSON, or an encrypted bundle. */

import { createCipheriv, createDecipheriv, createHash, randomBytes, scrypt } from 'node:crypto'
import { decodeHex, decodeIdentifier, encodeHex, equalBytes, isL402Error, L402Error } from '@turnpike/l402'
import type { StoredCredential } from '@turnpike/l402/client'
import { tryMacaroon } from './narrow.ts'

/** What travels of a credential. */
export interface Carried {
  readonly origin: string
  readonly macaroon: string
  /** Lower-case hex. */
  readonly preimage: string
  readonly boughtFor: string
  readonly costMsat: string
  readonly createdAtMs: number
}

const SCRYPT = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }

/** What travels of one in the purse. */
export function carried(credential: StoredCredential): Carried {
  const { origin, macaroon, preimage, boughtFor, costMsat, createdAtMs } = credential
  return { origin, macaroon, preimage: encodeHex(preimage), boughtFor, costMsat: `${costMsat}`, createdAtMs }
}

/** Back into what a purse holds. Throws `malformed`. */
export function toStored(one: Carried): StoredCredential {
  const preimage = typeof one.preimage === 'string' ? decodeHex(one.preimage) : undefined
  const origin = typeof one.origin === 'string' && URL.canParse(one.origin) ? new URL(one.origin) : undefined
  if (preimage?.length !== 32 || !/^https?:$/.test(origin?.protocol ?? '') || origin === undefined)
    throw malformed('a credential in it has no preimage or no origin')
  if (typeof one.macaroon !== 'string' || !/^(?:Payment )?[0-9A-Za-z+/=_.~-]{1,12288}$/.test(one.macaroon))
    throw malformed('a credential in it has no macaroon')
  const paymentHash = sha256(preimage)
  const bound = boundHash(one.macaroon)
  if (bound && !equalBytes(bound, paymentHash))
    throw malformed('the preimage of a credential in it is not the one of its macaroon')
  return {
    id: encodeHex(sha256(Buffer.from(one.macaroon), preimage).subarray(0, 8)),
    origin: origin.origin,
    macaroon: one.macaroon,
    preimage,
    paymentHash,
    boughtFor:
      typeof one.boughtFor === 'string' && one.boughtFor !== '' ? one.boughtFor : `${origin.origin} *`,
    // Paid out of another purse: this one spent nothing.
    costMsat: 0n,
    createdAtMs: Number.isSafeInteger(one.createdAtMs) ? one.createdAtMs : Date.now(),
    lastUsedAtMs: 0,
    rejectedFor: [],
  }
}

/** The credentials as an encrypted bundle (scrypt, AES-256-GCM). */
export async function seal(all: readonly Carried[], passphrase: string): Promise<string> {
  const salt = randomBytes(16)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', await keyOf(passphrase, salt), nonce)
  cipher.setAAD(Buffer.from('fare-bundle:1'))
  const data = Buffer.concat([
    cipher.update(JSON.stringify(all), 'utf8'),
    cipher.final(),
    cipher.getAuthTag(),
  ])
  const text = (bytes: Buffer): string => bytes.toString('base64')
  return `${JSON.stringify({ fareBundle: 1, salt: text(salt), nonce: text(nonce), data: text(data) })}\n`
}

/**
 * The credentials in a text: a sealed bundle, the JSON of `attenuate --json`, or an `Authorization` value, which needs
 * `origin`. Throws `malformed`, never with a part of the text.
 */
export async function open(
  text: string,
  given: { readonly origin: string | undefined; readonly passphrase: () => string },
): Promise<{ readonly format: 'bundle' | 'authorization'; readonly all: readonly Carried[] }> {
  const value = tryJson(text)
  if (isTable(value) && value['fareBundle'] === 1)
    return { format: 'bundle', all: await unseal(value, given.passphrase()) }
  const lines = (line: string, origin: string) =>
    ({ format: 'authorization', all: [fromLine(line, origin)] }) as const
  if (isTable(value) && typeof value['authorization'] === 'string')
    return lines(value['authorization'], given.origin ?? String(value['origin'] ?? ''))
  if (value !== undefined) throw malformed('expected a bundle of fare tokens export')
  if (given.origin === undefined)
    throw malformed('a credential as text does not say where it is good: expected --origin https://…')
  return lines(text.trim().replace(/^authorization:\s*/i, ''), given.origin)
}

function fromLine(line: string, origin: string): Carried {
  const [, macaroon = '', preimage = ''] =
    /^(?:L402|LSAT) +([0-9A-Za-z+/=_-]+):([0-9a-f]{64})$/i.exec(line.trim()) ?? []
  if (macaroon === '') throw malformed('expected "L402 <macaroon>:<preimage>", as in an Authorization header')
  const now = Date.now()
  return {
    origin,
    macaroon,
    preimage: preimage.toLowerCase(),
    boughtFor: '',
    costMsat: '0',
    createdAtMs: now,
  }
}

/** The payment hash that a macaroon is bound to, where it is one and names one. */
function boundHash(text: string): Uint8Array | undefined {
  try {
    const macaroon = tryMacaroon(text)
    return macaroon && decodeIdentifier(macaroon.identifier).paymentHash
  } catch (error) {
    if (isL402Error(error, 'malformed')) return undefined
    throw error
  }
}

function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

async function unseal(
  bundle: Readonly<Record<string, unknown>>,
  passphrase: string,
): Promise<readonly Carried[]> {
  const part = (name: string): Buffer => Buffer.from(String(bundle[name] ?? ''), 'base64')
  const data = part('data')
  try {
    const decipher = createDecipheriv('aes-256-gcm', await keyOf(passphrase, part('salt')), part('nonce'))
    decipher.setAAD(Buffer.from('fare-bundle:1'))
    decipher.setAuthTag(data.subarray(-16))
    const plain = Buffer.concat([decipher.update(data.subarray(0, -16)), decipher.final()])
    return JSON.parse(plain.toString()) as readonly Carried[]
  } catch {
    throw malformed('the passphrase is another one, or the bundle is damaged')
  }
}

function keyOf(passphrase: string, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    scrypt(passphrase, salt, 32, SCRYPT, (error, key) => (error ? reject(error) : resolve(key))),
  )
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function malformed(message: string): L402Error {
  return new L402Error('malformed', message)
}
