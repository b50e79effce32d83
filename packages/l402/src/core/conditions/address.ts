/**
 * IP addresses as four 32-bit words. An IPv4 address is its v4-mapped IPv6 one (RFC 4291 §2.5.5.2), so both spellings
 * of a client are one client.
 */

import { hexDigit } from '../bytes.ts'

/** The words of one address, written into by {@link readAddress}. */
export type AddressWords = Uint32Array

/** Reads an address in text into `words`; false for anything else. No zones, no octal, no leading zeros in IPv4. */
export function readAddress(text: string, words: AddressWords): boolean {
  if (text.length > 45) return false
  if (text.includes(':')) return readV6(text, words)
  const v4 = readV4(text, 0)
  if (v4 < 0) return false
  words[0] = 0
  words[1] = 0
  words[2] = 0xffff
  words[3] = v4
  return true
}

/** Whether these words are an IPv4 address. */
export function isV4(words: AddressWords): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff
}

/** Four decimal octets from `start` to the end of the text, or -1. */
function readV4(text: string, start: number): number {
  let address = 0
  let octets = 0
  let octet = -1
  for (let at = start; at <= text.length; at++) {
    const code = at === text.length ? 0x2e : text.charCodeAt(at)
    if (code === 0x2e) {
      if (octet < 0 || ++octets > 4) return -1
      address = address * 256 + octet
      octet = -1
      continue
    }
    const digit = code - 0x30
    if (digit < 0 || digit > 9 || octet === 0) return -1
    octet = octet < 0 ? digit : octet * 10 + digit
    if (octet > 255) return -1
  }
  return octets === 4 ? address : -1
}

const groups = new Uint16Array(8)

function readV6(text: string, words: AddressWords): boolean {
  let at = 0
  let count = 0
  /** How many groups stand before `::`. */
  let gap = -1
  if (text.startsWith('::')) {
    gap = 0
    at = 2
  }
  while (at < text.length) {
    if (count === 8) return false
    const start = at
    let group = 0
    for (let digit = hexDigit(text.charCodeAt(at)); digit >= 0; digit = hexDigit(text.charCodeAt(++at))) {
      group = group * 16 + digit
    }
    if (text.charCodeAt(at) === 0x2e) {
      const v4 = count <= 6 ? readV4(text, start) : -1
      if (v4 < 0) return false
      groups[count++] = v4 >>> 16
      groups[count++] = v4 & 0xffff
      break
    }
    if (at === start || at - start > 4) return false
    groups[count++] = group
    if (at === text.length) break
    if (text.charCodeAt(at) !== 0x3a) return false
    at++
    if (text.charCodeAt(at) === 0x3a) {
      if (gap >= 0) return false
      gap = count
      at++
    } else if (at === text.length) return false
  }
  return gap < 0 ? count === 8 && joinGroups(words, 8, 8) : count < 8 && joinGroups(words, gap, count)
}

/** Puts the groups into words, with zeros between the first `gap` and the others. */
function joinGroups(words: AddressWords, gap: number, count: number): true {
  const zeros = 8 - count
  for (let i = 0; i < 4; i++) {
    words[i] = ((groupAt(2 * i, gap, zeros) << 16) | groupAt(2 * i + 1, gap, zeros)) >>> 0
  }
  return true
}

function groupAt(index: number, gap: number, zeros: number): number {
  if (index < gap) return groups[index] as number
  return index < gap + zeros ? 0 : (groups[index - zeros] as number)
}
