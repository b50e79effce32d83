import { encodeHex } from '../../core/bytes.ts'
import type { RevocationTarget } from '../ledger.ts'
import { checkKey } from './checks.ts'

/** What a revocation names. */
export type RevocationKind = 'token' | 'payment'

/** Kind and 32-byte key of a target. */
export function revocationOf(target: RevocationTarget): { kind: RevocationKind; key: Uint8Array } {
  const { kind, key } =
    'tokenId' in target
      ? ({ kind: 'token', key: target.tokenId } as const)
      : ({ kind: 'payment', key: target.paymentHash } as const)
  checkKey(key, kind === 'token' ? 'tokenId' : 'paymentHash')
  return { kind, key }
}

/** The copy of all revocations in memory (protocol §4). */
export class RevocationSet {
  readonly #keys: Readonly<Record<RevocationKind, Set<string>>> = { token: new Set(), payment: new Set() }
  #epoch = 0

  /** Grows with every revocation that was not known before. */
  get epoch(): number {
    return this.#epoch
  }

  add(kind: RevocationKind, key: Uint8Array): void {
    const keys = this.#keys[kind]
    const before = keys.size
    if (keys.add(encodeHex(key)).size !== before) this.#epoch++
  }

  has({ tokenId, paymentHash }: { readonly tokenId: Uint8Array; readonly paymentHash: Uint8Array }): boolean {
    const { token, payment } = this.#keys
    // Nothing revoked is the common case, and asked on every request.
    if (token.size !== 0 && token.has(encodeHex(tokenId))) return true
    return payment.size !== 0 && payment.has(encodeHex(paymentHash))
  }

  clear(): void {
    this.#keys.token.clear()
    this.#keys.payment.clear()
  }
}
