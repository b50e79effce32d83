/**
 * The older macaroon format: packets of four hex digits (the length of the whole packet), a key, a space, the data
 * and a line feed. Read as `gopkg.in/macaroon.v2` reads it, but in its order only; never written.
 */

import { decodeUtf8 } from './bytes.ts'
import { L402Error } from './errors.ts'
import type { Macaroon, MacaroonCaveat } from './macaroon.ts'

const SPACE = 0x20
const LINE_FEED = 0x0a

function malformed(expected: string): L402Error {
  return new L402Error('malformed', `invalid macaroon: expected ${expected}`)
}

/** The value of a lower-case hex digit (the only ones macaroon.v2 reads), or -1. */
function digit(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x61 + 10 : -1
}

/** Whether these bytes begin like version 1 packets. */
export function isMacaroonV1(bytes: Uint8Array): boolean {
  return digit(bytes[0]) >= 0
}

class PacketReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** Takes the next packet if it has this key: its data, a view. */
  take(key: string): Uint8Array | undefined {
    const end = this.#at + this.#packetLength()
    const start = this.#at + 4
    for (let i = 0; i < key.length; i++) {
      if (this.#bytes[start + i] !== key.charCodeAt(i)) return undefined
    }
    const data = start + key.length + 1
    if (data >= end || this.#bytes[data - 1] !== SPACE) return undefined
    if (this.#bytes[end - 1] !== LINE_FEED) throw malformed('a packet that ends in a line feed')
    this.#at = end
    return this.#bytes.subarray(data, end - 1)
  }

  #packetLength(): number {
    let length = 0
    for (let i = 0; i < 4; i++) {
      const value = digit(this.#bytes[this.#at + i])
      if (value < 0) throw malformed('a packet length of four lower-case hex digits')
      length = length * 16 + value
    }
    if (length > this.left)
      throw malformed(`a packet of at most the ${this.left} bytes left, got length ${length}`)
    return length
  }
}

function text(bytes: Uint8Array): string {
  const decoded = decodeUtf8(bytes)
  if (decoded === undefined) throw malformed('a location in UTF-8, got other bytes')
  return decoded
}

/** Reads version 1 packets; throws `malformed`. The result holds views of `bytes`. */
export function decodeMacaroonV1(bytes: Uint8Array, maxCaveats: number): Macaroon {
  const reader = new PacketReader(bytes)
  const location = reader.take('location')
  if (location === undefined) throw malformed('a location packet, got another one')
  const identifier = reader.take('identifier')
  if (identifier === undefined) throw malformed('an identifier packet, got another one')
  const caveats: MacaroonCaveat[] = []
  let signature = reader.take('signature')
  while (signature === undefined) {
    if (caveats.length === maxCaveats) throw malformed(`at most ${maxCaveats} caveats, got more`)
    caveats.push(decodeCaveat(reader))
    signature = reader.take('signature')
  }
  if (signature.length !== 32) throw malformed(`a signature of 32 bytes, got ${signature.length}`)
  if (reader.left !== 0) throw malformed(`nothing after the signature, got ${reader.left} bytes`)
  return { location: text(location), identifier, caveats, signature }
}

function decodeCaveat(reader: PacketReader): MacaroonCaveat {
  const id = reader.take('cid')
  if (id === undefined) throw malformed('a cid or signature packet, got another one')
  const verificationId = reader.take('vid')
  if (verificationId === undefined) return { id }
  if (verificationId.length === 0) throw malformed('a verification id of at least one byte, got none')
  const location = reader.take('cl')
  return location === undefined || location.length === 0
    ? { id, verificationId }
    : { id, location: text(location), verificationId }
}
