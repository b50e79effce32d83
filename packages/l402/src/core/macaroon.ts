/**
 * Macaroon bytes (protocol §3): the binary format of `gopkg.in/macaroon.v2`, read strictly and written in its
 * shortest form, so that but for the unsigned location hint one macaroon has one spelling. Version 1 packets are
 * read too (macaroon-v1.ts).
 */

import { decodeUtf8, encodeUtf8 } from './bytes.ts'
import { L402Error } from './errors.ts'
import { decodeMacaroonV1, isMacaroonV1 } from './macaroon-v1.ts'

/** One caveat as it stands in the bytes. */
export interface MacaroonCaveat {
  /** The signed text, `condition=value` in UTF-8 for every caveat this library knows. */
  readonly id: Uint8Array
  /** Where to get a discharge; third-party caveats only, not signed. */
  readonly location?: string
  /** Makes it a third-party caveat, which no server here can clear. */
  readonly verificationId?: Uint8Array
}

/** A decoded macaroon. Holds a secret (the signature): never log it. */
export interface Macaroon {
  /** An unsigned hint (rule S9); empty without one. */
  readonly location: string
  readonly identifier: Uint8Array
  readonly caveats: readonly MacaroonCaveat[]
  /** 32 bytes: the last link of the HMAC chain. */
  readonly signature: Uint8Array
}

/** Most bytes of a macaroon (rule V6). */
const MAX_MACAROON_BYTES = 8192
/** Most caveats of a macaroon, a `preimage` one included (rule V6). */
const MAX_CAVEATS = 64
const SIGNATURE_LENGTH = 32
const MAX_VARINT = 2 ** 31

const VERSION_2 = 2
const END = 0
const LOCATION = 1
const IDENTIFIER = 2
const VERIFICATION_ID = 4
const SIGNATURE = 6

function malformed(expected: string): L402Error {
  return new L402Error('malformed', `invalid macaroon: expected ${expected}`)
}

/** Reads fields one after the other; the bytes are its own. */
class FieldReader {
  readonly #bytes: Uint8Array
  #at: number

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  /** Takes the next byte if it is an end-of-section mark. */
  takeEnd(): boolean {
    if (this.#bytes[this.#at] !== END) return false
    this.#at++
    return true
  }

  /** Takes the next field if it has this tag: its bytes, a view. */
  takeField(tag: number): Uint8Array | undefined {
    if (this.#bytes[this.#at] !== tag) return undefined
    this.#at++
    const length = this.#varint()
    const left = this.#bytes.length - this.#at
    if (length > left)
      throw malformed(`a field of at most the ${left} bytes that follow, got length ${length}`)
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** Takes the next field of this tag as text. */
  takeText(tag: number): string | undefined {
    const bytes = this.takeField(tag)
    if (bytes === undefined) return undefined
    const text = decodeUtf8(bytes)
    if (text === undefined) throw malformed('a location in UTF-8, got other bytes')
    return text
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** A base-128 number, least significant digits first; only its shortest spelling, at most 2^31 (rule V6). */
  #varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) throw malformed('a whole length, got the end')
      this.#at++
      value += (byte & 127) * scale
      if (value > MAX_VARINT) throw malformed('a length of at most 2^31, got a greater one')
      if (byte < 128) {
        if (byte === 0 && scale > 1) throw malformed('the shortest spelling of a length, got a longer one')
        return value
      }
      if (scale > MAX_VARINT) throw malformed('a length of at most five bytes, got more')
    }
  }
}

/**
 * Reads a macaroon: version 2 binary, or version 1 packets. The result keeps nothing of `bytes`.
 * Throws `malformed` for anything else, and beyond the bounds of rule V6.
 */
export function decodeMacaroon(bytes: Uint8Array): Macaroon {
  if (bytes.length > MAX_MACAROON_BYTES) {
    throw malformed(`at most ${MAX_MACAROON_BYTES} bytes, got ${bytes.length}`)
  }
  // One copy, and views of it. `slice` would not do: on a Buffer it is a view itself.
  const own = new Uint8Array(bytes)
  const macaroon =
    own[0] === VERSION_2 ? decodeV2(own) : isMacaroonV1(own) ? decodeMacaroonV1(own, MAX_CAVEATS) : undefined
  if (macaroon === undefined) throw malformed('version 2 binary or version 1 packets, got neither')
  return macaroon
}

function decodeV2(bytes: Uint8Array): Macaroon {
  const reader = new FieldReader(bytes, 1)
  const location = reader.takeText(LOCATION) ?? ''
  const identifier = reader.takeField(IDENTIFIER)
  if (identifier === undefined) throw malformed('an identifier, got another field')
  if (!reader.takeEnd()) throw malformed('the end of the header, got another field')
  const caveats: MacaroonCaveat[] = []
  while (!reader.takeEnd()) {
    if (caveats.length === MAX_CAVEATS) throw malformed(`at most ${MAX_CAVEATS} caveats, got more`)
    caveats.push(decodeCaveat(reader))
  }
  const signature = reader.takeField(SIGNATURE)
  if (signature === undefined) throw malformed('a signature, got another field')
  if (signature.length !== SIGNATURE_LENGTH) {
    throw malformed(`a signature of 32 bytes, got ${signature.length}`)
  }
  if (reader.left !== 0) throw malformed(`nothing after the signature, got ${reader.left} bytes`)
  return { location, identifier, caveats, signature }
}

function decodeCaveat(reader: FieldReader): MacaroonCaveat {
  const location = reader.takeText(LOCATION)
  const id = reader.takeField(IDENTIFIER)
  if (id === undefined) throw malformed('a caveat, got another field')
  const verificationId = reader.takeField(VERIFICATION_ID)
  if (!reader.takeEnd()) throw malformed('the end of a caveat, got another field')
  if (verificationId === undefined) {
    // gopkg.in/macaroon.v2: "location not allowed in first party caveat".
    if (location !== undefined) throw malformed('no location in a first-party caveat, got one')
    return { id }
  }
  // An empty one would sign like a first-party caveat: a second spelling.
  if (verificationId.length === 0) throw malformed('a verification id of at least one byte, got none')
  return location ? { id, location, verificationId } : { id, verificationId }
}

function varintLength(value: number): number {
  return value < 128 ? 1 : value < 16384 ? 2 : 3
}

function fieldLength(data: Uint8Array): number {
  return 1 + varintLength(data.length) + data.length
}

/** UTF-8 of a location; throws `RangeError` where the text has none (lone surrogates). */
function encodeLocation(text: string): Uint8Array {
  const bytes = encodeUtf8(text)
  if (decodeUtf8(bytes) !== text)
    throw new RangeError('invalid macaroon: expected a location of whole characters')
  return bytes
}

/** The length of its version 2 encoding in bytes. Throws `RangeError` for a macaroon beyond the bounds of rule V6. */
export function encodedMacaroonLength(m: Macaroon): number {
  if (m.signature.length !== SIGNATURE_LENGTH) {
    throw new RangeError(`invalid macaroon: expected a signature of 32 bytes, got ${m.signature.length}`)
  }
  if (m.caveats.length > MAX_CAVEATS) {
    throw new RangeError(`invalid macaroon: expected at most ${MAX_CAVEATS} caveats, got ${m.caveats.length}`)
  }
  let length = 1 + fieldLength(m.identifier) + 2 + fieldLength(m.signature)
  if (m.location !== '') length += fieldLength(encodeLocation(m.location))
  for (const caveat of m.caveats) {
    length += fieldLength(caveat.id) + 1
    if (caveat.verificationId === undefined) {
      if (caveat.location !== undefined) {
        throw new RangeError('invalid macaroon: expected no location in a first-party caveat')
      }
      continue
    }
    if (caveat.verificationId.length === 0) {
      throw new RangeError('invalid macaroon: expected a verification id of at least one byte')
    }
    length += fieldLength(caveat.verificationId)
    if (caveat.location) length += fieldLength(encodeLocation(caveat.location))
  }
  if (length > MAX_MACAROON_BYTES) {
    throw new RangeError(`invalid macaroon: expected at most ${MAX_MACAROON_BYTES} bytes, got ${length}`)
  }
  return length
}

/** Version 2 bytes. Throws `RangeError` for a macaroon that {@link decodeMacaroon} would not read (rule V6). */
export function encodeMacaroon(m: Macaroon): Uint8Array {
  const bytes = new Uint8Array(encodedMacaroonLength(m))
  bytes[0] = VERSION_2
  let at = 1
  if (m.location !== '') at = putField(bytes, at, LOCATION, encodeUtf8(m.location))
  at = putField(bytes, at, IDENTIFIER, m.identifier) + 1
  for (const caveat of m.caveats) {
    if (caveat.location) at = putField(bytes, at, LOCATION, encodeUtf8(caveat.location))
    at = putField(bytes, at, IDENTIFIER, caveat.id)
    if (caveat.verificationId) at = putField(bytes, at, VERIFICATION_ID, caveat.verificationId)
    at++ // END is zero already
  }
  putField(bytes, at + 1, SIGNATURE, m.signature)
  return bytes
}

function putField(bytes: Uint8Array, start: number, tag: number, data: Uint8Array): number {
  let at = start
  bytes[at++] = tag
  let length = data.length
  for (; length >= 128; length >>>= 7) bytes[at++] = (length & 127) | 128
  bytes[at++] = length
  bytes.set(data, at)
  return at + data.length
}
