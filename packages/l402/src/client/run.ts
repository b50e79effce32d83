/** One buyer's settings with their defaults, its wallet, and what it has spent so far. */

import { encodeHex } from '../core/bytes.ts'
import type { PaymentBackend } from '../lightning/backend.ts'
import type { Budget, PurseStore } from '../stores/purse.ts'
import type { ProofKey } from './dpop.ts'
import { defaultFeeReserve, uncappedFeeReserve } from './fees.ts'
import type { Copies } from './present.ts'
import type { BuyerOptions, PurchaseEvent } from './types.ts'

/** Payments are given up as unknown after this long. */
export const PAYMENT_TIMEOUT_MS = 60_000
/** No timer runs for much longer. */
const MOST_TIMEOUT_MS = 24 * 86_400_000

/** The state behind a buyer. */
export interface Run {
  readonly options: BuyerOptions
  readonly purse: PurseStore
  readonly walletName: string
  readonly task: string
  readonly paymentTimeoutMs: number
  readonly maxRedirects: number
  /** Purchases that one call may make. */
  readonly maxPurchases: number
  readonly fetch: typeof globalThis.fetch
  readonly copies: Copies
  /** By thumbprint. */
  readonly proofKeys: Map<string, ProofKey>
  /** Ids of credentials whose payment is known to be redeemed, or to be no payment of this purse. */
  readonly redeemed: Set<string>
  now(): number
  emit(event: PurchaseEvent): void
  budget(): Promise<Budget>
  /** Throws what the wallet's maker throws. */
  wallet(): Promise<PaymentBackend>
  /** Who a wallet is; what it told last. */
  readonly walletIds: WeakMap<PaymentBackend, readonly string[]>
  /** The wallet, if it is known without asking anybody. */
  readonly knownWallet: PaymentBackend | undefined
  /** Most that may be paid on top of an amount. */
  feeReserve(amountMsat: bigint): bigint
  /** Holds, corrects or (with 0n) frees what a payment may cost this run; what it answers undoes that. */
  hold(paymentHash: Uint8Array, msat: bigint): () => void
  /** Corrects the cost of a payment that this run holds; one of another run stays uncounted. */
  correct(paymentHash: Uint8Array, msat: bigint): void
  readonly spentMsat: bigint
}

/** Fills the defaults in. Throws `RangeError` for settings that cannot be meant. */
export function startRun(options: BuyerOptions): Run {
  const { maxMsat, paymentTimeoutMs = PAYMENT_TIMEOUT_MS, maxRedirects = 10 } = options
  if (maxMsat !== undefined && maxMsat < 0n) throw new RangeError('maxMsat must be 0 or more')
  if (!(Number.isSafeInteger(maxRedirects) && maxRedirects >= 0))
    throw new RangeError('maxRedirects must be a whole number, 0 or more')

  if ((options.approveAboveMsat ?? 0n) < 0n) throw new RangeError('approveAboveMsat must be 0 or more')
  for (const name of ['paymentTimeoutMs', 'approvalTimeoutMs', 'hookTimeoutMs'] as const)
    if (!((options[name] ?? 1) > 0 && (options[name] ?? 1) <= MOST_TIMEOUT_MS))
      throw new RangeError(`${name} must be more than 0 and at most ${MOST_TIMEOUT_MS} (24 days)`)

  const held = new Map<string, bigint>()
  let known = typeof options.wallet === 'function' ? undefined : options.wallet
  let opening: Promise<PaymentBackend> | undefined

  return {
    options,
    purse: options.purse,
    walletName: options.walletName ?? '',
    task: options.task ?? '',
    paymentTimeoutMs,
    maxRedirects,
    maxPurchases: options.secondPurchase ? 2 : 1,
    copies: { made: new Map(), taken: new Map() },
    proofKeys: new Map(),
    redeemed: new Set(),
    walletIds: new WeakMap(),
    // Called as a method of nothing: browsers insist.
    fetch: (input, init) => (options.fetch ?? globalThis.fetch)(input, init),
    now: () => (options.now ?? Date.now)(),
    emit(event) {
      try {
        options.onEvent?.(event)
      } catch {
        // A listener's fault must not come between a payment and the books.
      }
    },
    budget: async () => options.budget ?? (await options.purse.budget()),
    async wallet() {
      if (known) return known
      if (typeof options.wallet !== 'function') return options.wallet
      opening ??= options.wallet()
      try {
        known = await opening
        return known
      } finally {
        opening = undefined
      }
    },
    get knownWallet() {
      return known
    },
    feeReserve(amountMsat) {
      const asked = (options.feeReserve ?? defaultFeeReserve)(amountMsat)
      return known && !known.paymentCapabilities.capsFees ? uncappedFeeReserve(amountMsat, asked) : asked
    },
    hold(paymentHash, msat) {
      const key = encodeHex(paymentHash)
      const before = held.get(key)
      held.set(key, msat)
      return () => void (before === undefined ? held.delete(key) : held.set(key, before))
    },
    correct(paymentHash, msat) {
      const key = encodeHex(paymentHash)
      if (held.has(key)) held.set(key, msat)
    },
    get spentMsat() {
      let sum = 0n
      for (const msat of held.values()) sum += msat
      return sum
    },
  }
}
