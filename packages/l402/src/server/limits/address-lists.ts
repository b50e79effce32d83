/** Who may ask at all: block and allow lists of CIDR blocks. */

import { type AddressWords, isV4, readAddress } from '../../core/conditions/address.ts'

/** The lists of a server or of one service. */
export interface AddressLists {
  /** CIDR blocks whose requests are answered with 403, e.g. `192.0.2.0/24`; an address alone is a block of one. */
  readonly block?: readonly string[]
  /** Where given, everything else is answered with 403. */
  readonly allow?: readonly string[]
}

interface Block {
  readonly words: AddressWords
  readonly bits: number
}

/**
 * Whether an address is to be denied by these lists; `undefined` where they say nothing. An IPv4 address may be written as an
 * IPv6 one. What is not an address is in no list.
 *
 * @throws RangeError for what is not a block.
 */
export function deniedBy({ block = [], allow }: AddressLists): ((address: string) => boolean) | undefined {
  if (block.length === 0 && allow === undefined) return undefined
  const blocked = block.map(readBlock)
  const allowed = allow?.map(readBlock)
  const words = new Uint32Array(4)
  return (address) => {
    const zone = address.indexOf('%')
    if (!readAddress(zone < 0 ? address : address.slice(0, zone), words)) return allowed !== undefined
    return (
      blocked.some((one) => holds(one, words)) ||
      (allowed !== undefined && !allowed.some((one) => holds(one, words)))
    )
  }
}

function readBlock(text: string): Block {
  const [address = '', digits, more] = text.split('/')
  const words = new Uint32Array(4)
  const width = address.includes(':') ? 128 : 32
  const bits = digits === undefined ? width : /^(?:0|[1-9][0-9]{0,2})$/.test(digits) ? Number(digits) : -1
  if (!readAddress(address, words) || more !== undefined || bits < 0 || bits > width)
    throw new RangeError(
      `invalid block of addresses: expected one such as 192.0.2.0/24 or 2001:db8::/48, got "${text}"`,
    )
  return { words, bits: bits + 128 - width }
}

/** An IPv6 block holds no IPv4 address: `::/0` is "any IPv6". */
function holds({ words: block, bits }: Block, words: AddressWords): boolean {
  if (isV4(block) !== isV4(words)) return false
  for (let i = 0, fixed = bits; i < 4 && fixed > 0; i++, fixed -= 32) {
    const mask = fixed >= 32 ? -1 : ~(0xffffffff >>> fixed)
    if ((((block[i] as number) ^ (words[i] as number)) & mask) !== 0) return false
  }
  return true
}
