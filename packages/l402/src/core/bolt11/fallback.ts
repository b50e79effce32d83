import { bech32, bech32m, createBase58check } from '@scure/base'
import { concatBytes } from '../bytes.ts'
import { sha256 } from '../hash.ts'
import type { Network } from '../network.ts'
import type { FallbackAddress } from './invoice.ts'
import { malformed } from './malformed.ts'
import { bytesToWords, type Words, wordsToBytes } from './words.ts'

const P2PKH = 17
const P2SH = 18

const TEST = { p2pkh: 0x6f, p2sh: 0xc4 }
const ADDRESS_OF: Readonly<Record<Network, { p2pkh: number; p2sh: number; segwit: string }>> = {
  mainnet: { p2pkh: 0x00, p2sh: 0x05, segwit: 'bc' },
  testnet: { ...TEST, segwit: 'tb' },
  signet: { ...TEST, segwit: 'tb' },
  regtest: { ...TEST, segwit: 'bcrt' },
  simnet: { p2pkh: 0x3f, p2sh: 0x7b, segwit: 'sb' },
}

// Made where it is needed: hardly any invoice has such an address.
const base58check = (): ReturnType<typeof createBase58check> => createBase58check(sha256)

/** One `f` field; `undefined` for a version that BOLT 11 has readers skip. */
export function decodeFallback(words: Words, network: Network): FallbackAddress | undefined {
  const [version, ...rest] = words
  if (version === undefined || version > P2SH) return undefined
  const program = wordsToBytes(rest)
  if (program === undefined || !fits(version, program.length)) {
    throw malformed(
      'a program that fits the version in field f',
      `${rest.length} words for version ${version}`,
    )
  }
  return { version, program, address: formatAddress(version, program, network) }
}

/** The words of one `f` field. */
export function encodeFallback({ version, program }: Pick<FallbackAddress, 'version' | 'program'>): number[] {
  if (!Number.isInteger(version) || version < 0 || version > P2SH || !fits(version, program.length)) {
    throw new RangeError('a fallback address needs version 0 to 18 and a program that fits it')
  }
  return [version, ...bytesToWords(program)]
}

function fits(version: number, length: number): boolean {
  if (version >= P2PKH) return length === 20
  if (version === 0) return length === 20 || length === 32 // BIP-141
  return length >= 2 && length <= 40
}

function formatAddress(version: number, program: Uint8Array, network: Network): string {
  const { p2pkh, p2sh, segwit } = ADDRESS_OF[network]
  if (version === P2PKH) return base58check().encode(concatBytes(Uint8Array.of(p2pkh), program))
  if (version === P2SH) return base58check().encode(concatBytes(Uint8Array.of(p2sh), program))
  const codec = version === 0 ? bech32 : bech32m // BIP-350
  return codec.encode(segwit, [version, ...bytesToWords(program)])
}
