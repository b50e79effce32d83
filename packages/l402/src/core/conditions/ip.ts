import { type AddressWords, isV4, readAddress } from './address.ts'
import type { RequestCondition } from './condition.ts'
import { compileList, MAX_PAIRED_ITEMS } from './list.ts'

/** A block of addresses of one family. */
export interface Cidr {
  readonly words: AddressWords
  /** How many leading bits of the 128 are fixed; an IPv4 block has at least 96. */
  readonly bits: number
}

const BITS = /^(?:0|[1-9][0-9]{0,2})$/

/** Reads `address/bits`, or an address alone; `undefined` for anything else, also where bits after the prefix are set. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const words = new Uint32Array(4)
  if (!readAddress(address, words)) return undefined
  let bits = 128
  if (slash >= 0) {
    const digits = text.slice(slash + 1)
    if (!BITS.test(digits)) return undefined
    bits = Number(digits) + (address.includes(':') ? 0 : 96)
    if (bits > 128) return undefined
  }
  for (let i = 0; i < 4; i++) {
    if (((words[i] as number) & ~maskOf(i, bits)) !== 0) return undefined
  }
  return { words, bits }
}

/** The fixed bits within word `index` of a block of `bits`. */
function maskOf(index: number, bits: number): number {
  const fixed = bits - 32 * index
  return fixed <= 0 ? 0 : fixed >= 32 ? -1 : ~(0xffffffff >>> fixed)
}

/** Whether the address is in the block. An IPv6 block holds no IPv4 address: `::/0` is "any IPv6". */
function holds(block: Cidr, words: AddressWords): boolean {
  if (isV4(block.words) !== isV4(words)) return false
  for (let i = 0; i < 4; i++) {
    if ((((block.words[i] as number) ^ (words[i] as number)) & maskOf(i, block.bits)) !== 0) return false
  }
  return true
}

const client = new Uint32Array(4)

/** `<service>_ip=CIDR[,…]`: the client addresses a credential may be used from, after trusted-proxy handling. */
export const ip: RequestCondition<readonly Cidr[]> = {
  expected: `at most ${MAX_PAIRED_ITEMS} CIDR blocks between commas, without bits set after the prefix`,
  denied: 'The credential does not admit this client address.',
  parse: (value) => compileList(value, parseCidr),
  narrows: (later, earlier) =>
    later.every((part) => earlier.some((whole) => part.bits >= whole.bits && holds(whole, part.words))),
  admits(blocks, address) {
    if (!readAddress(address, client)) return false
    for (let i = 0; i < blocks.length; i++) {
      if (holds(blocks[i] as Cidr, client)) return true
    }
    return false
  },
}
