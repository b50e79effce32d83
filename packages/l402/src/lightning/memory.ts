/** Lightning in memory, for unit tests: one object makes real invoices and pays them, without a network. */

import { encodeInvoice } from '../core/bolt11/index.ts'
import { encodeHex } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { Network } from '../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
  PaymentBackend,
  PaymentOutcome,
  PayRequest,
} from './backend.ts'
import { Book } from './lib/book.ts'
import { orUnknown } from './lib/deadline.ts'
import { InvoiceBook } from './lib/invoice-book.ts'
import { checkInvoiceRequest } from './lib/invoice-terms.ts'
import { PaymentBook } from './lib/payment-book.ts'

/** How one payment is to go. */
export type MemoryPayScript =
  /** As usual: what `onPay` means when it answers nothing. */
  | { readonly status: 'paid' }
  | { readonly status: 'failed'; readonly detail?: string }
  /** Paid, and the preimage is withheld. */
  | { readonly status: 'paid_unproven' }
  /** Under way until {@link MemoryLightning.finish}. */
  | { readonly status: 'pending' }
  /** The answer is lost; `later` is what the wallet knows: nothing at all where it says `not_found`. */
  | { readonly status: 'unknown'; readonly later: 'paid' | 'failed' | 'pending' | 'not_found' }
  /** The wallet cannot be reached: `pay` throws `lightning_unavailable`. */
  | { readonly status: 'unavailable' }

export interface MemoryLightningOptions {
  /** Milliseconds since 1970, like `Date.now`, the default. */
  readonly now?: () => number
  /** Network of the invoices; default `regtest`. */
  readonly network?: Network
  /** Source of the node's key, preimages and payment secrets. */
  readonly randomBytes?: (length: number) => Uint8Array
  /** Routing fee of every payment in millisatoshi; default 0. */
  readonly feeMsat?: bigint | ((amountMsat: bigint) => bigint)
  /** What the buyer has at first, in millisatoshi; default 1 BTC. */
  readonly balanceMsat?: bigint
  /** What the seller can receive in all, in millisatoshi; it does not say if left out. Nothing is refused for it. */
  readonly receivableMsat?: bigint
  /** Decides how a payment goes; asked once for each payment that could be made. */
  readonly onPay?: (request: PayRequest) => MemoryPayScript | undefined | Promise<MemoryPayScript | undefined>
}

/** Both ends of a Lightning network that exists only in this object. */
export interface MemoryLightning extends InvoiceBackend, PaymentBackend {
  /** While true, the backend cannot be reached. */
  offline: boolean
  balanceMsat(): Promise<bigint>
  ping(): Promise<void>
  invoiceDetails(paymentHash: Uint8Array): Promise<InvoiceDetails>
  cancelInvoice(paymentHash: Uint8Array): Promise<InvoiceState>
  createHoldInvoice(request: HoldInvoiceRequest): Promise<CreatedInvoice>
  settleHoldInvoice(preimage: Uint8Array): Promise<void>
  receivableMsat(): Promise<bigint | null>
  /** All that the seller has received. */
  sellerBalanceMsat(): Promise<bigint>
  /** Ends a payment that was left pending. */
  finish(paymentHash: Uint8Array, end: 'paid' | 'failed'): void
}

type HoldInvoiceRequest = Parameters<NonNullable<InvoiceBackend['createHoldInvoice']>>[0]

const DEFAULT_BALANCE_MSAT = 100_000_000_000n
const OUT_OF_REACH: PaymentOutcome = { status: 'unknown', detail: 'the wallet cannot be reached' }

/**
 * A Lightning backend for unit tests. Invoices are real, signed BOLT 11; only this object can pay them.
 *
 * @example
 * const lightning = memoryLightning({ onPay: () => ({ status: 'unknown', later: 'paid' }) })
 */
export function memoryLightning(options: MemoryLightningOptions = {}): MemoryLightning {
  return new InMemoryLightning(options)
}

interface Issued {
  readonly expiresAt: number
  readonly text: string
  readonly amountMsat: bigint
  /** `null`: a hold invoice, whose preimage the seller keeps. */
  readonly preimage: Uint8Array | null
}

class InMemoryLightning implements MemoryLightning {
  readonly network: Network
  readonly invoiceCapabilities = { exactMsat: true, looksUp: true, cancels: true, holds: true } as const
  readonly paymentCapabilities = { returnsPreimage: true, capsFees: true, looksUp: true } as const
  offline = false
  readonly #options: MemoryLightningOptions
  readonly #randomBytes: (length: number) => Uint8Array
  readonly #nowSeconds: () => number
  readonly #key: Uint8Array
  readonly #issued = new Book<Issued>()
  readonly #sales: InvoiceBook
  readonly #purchases = new PaymentBook()
  /** Calls of `pay` that are being decided. */
  readonly #deciding = new Map<string, Promise<PaymentOutcome>>()
  #balanceMsat: bigint
  #closed = false

  constructor(options: MemoryLightningOptions) {
    const { now = Date.now, network = 'regtest', balanceMsat = DEFAULT_BALANCE_MSAT } = options
    this.network = network
    this.#options = options
    this.#nowSeconds = () => Math.floor(now() / 1000)
    this.#randomBytes = options.randomBytes ?? ((length) => crypto.getRandomValues(new Uint8Array(length)))
    this.#key = this.#randomBytes(32)
    this.#sales = new InvoiceBook(this.#nowSeconds)
    this.#balanceMsat = balanceMsat
  }

  async createInvoice(request: InvoiceRequest): Promise<CreatedInvoice> {
    const preimage = this.#randomBytes(32)
    return this.#create(request, { preimage, paymentHash: Uint8Array.from(sha256(preimage)) })
  }

  async createHoldInvoice(request: HoldInvoiceRequest): Promise<CreatedInvoice> {
    const { paymentHash } = request
    if (paymentHash.length !== 32) throw new RangeError('invalid payment hash: expected 32 bytes')
    if (this.#sales.state(paymentHash) !== 'unknown')
      throw new L402Error('lightning_unavailable', 'there is an invoice with this payment hash')
    return this.#create(request, { preimage: null, paymentHash })
  }

  #create(
    request: InvoiceRequest,
    { preimage, paymentHash }: Pick<Issued, 'preimage'> & { readonly paymentHash: Uint8Array },
  ): CreatedInvoice {
    checkInvoiceRequest(request)
    this.#assertReachable()
    if (request.signal?.aborted === true) {
      throw new L402Error('lightning_unavailable', 'making the invoice was aborted')
    }
    const { amountMsat, memo, expirySeconds } = request
    const timestamp = this.#nowSeconds()
    const fields = {
      network: this.network,
      amountMsat,
      timestamp,
      expirySeconds,
      paymentHash,
      paymentSecret: this.#randomBytes(32),
      description: memo,
    }
    const invoice = encodeInvoice(fields, this.#key)
    const expiresAt = timestamp + expirySeconds
    this.#issued.set(encodeHex(paymentHash), { expiresAt, text: invoice, amountMsat, preimage }, timestamp)
    this.#sales.add(paymentHash, { expiresAt, amountMsat })
    return { invoice, paymentHash, amountMsat, expiresAt }
  }

  async cancelInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    this.#assertReachable()
    const issued = this.#issued.get(encodeHex(paymentHash))
    if (issued !== undefined && this.#sales.state(paymentHash) === 'accepted') {
      this.#balanceMsat += issued.amountMsat + this.#feeMsat(issued)
      this.#purchases.finish(paymentHash, failed('the payee has given it back'))
    }
    this.#sales.cancel(paymentHash)
    return this.#sales.state(paymentHash)
  }

  async receivableMsat(): Promise<bigint | null> {
    this.#assertReachable()
    return this.#options.receivableMsat ?? null
  }

  async settleHoldInvoice(preimage: Uint8Array): Promise<void> {
    this.#assertReachable()
    const paymentHash = Uint8Array.from(sha256(preimage))
    const issued = this.#issued.get(encodeHex(paymentHash))
    const state = this.#sales.state(paymentHash)
    if (state === 'settled') return
    if (issued === undefined || state !== 'accepted')
      throw new L402Error('lightning_unavailable', `there is nothing to settle: the invoice is ${state}`)
    this.#sales.settle(paymentHash, issued.amountMsat)
    const feeMsat = this.#feeMsat(issued)
    this.#purchases.finish(paymentHash, { status: 'paid', preimage: preimage.slice(), feeMsat })
  }

  async lookupInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    this.#assertReachable()
    return this.#sales.state(paymentHash)
  }

  async invoiceDetails(paymentHash: Uint8Array): Promise<InvoiceDetails> {
    this.#assertReachable()
    return this.#sales.details(paymentHash)
  }

  async ping(): Promise<void> {
    this.#assertReachable()
  }

  async pay(request: PayRequest): Promise<PaymentOutcome> {
    const key = encodeHex(request.paymentHash)
    const earlier = this.#deciding.get(key) ?? this.#purchases.started(request.paymentHash)
    if (earlier !== undefined)
      return this.offline ? OUT_OF_REACH : await orUnknown(earlier, request.timeoutMs)
    this.#assertReachable()
    const decision = this.#decide(request).finally(() => this.#deciding.delete(key))
    this.#deciding.set(key, decision)
    return await orUnknown(decision, request.timeoutMs)
  }

  async lookupPayment(paymentHash: Uint8Array): Promise<PaymentOutcome> {
    if (this.offline || this.#closed) return OUT_OF_REACH
    if (this.#deciding.has(encodeHex(paymentHash))) return { status: 'pending' }
    return this.#purchases.state(paymentHash)
  }

  async balanceMsat(): Promise<bigint> {
    this.#assertReachable()
    return this.#balanceMsat
  }

  async sellerBalanceMsat(): Promise<bigint> {
    this.#assertReachable()
    return this.#sales.receivedMsat
  }

  finish(paymentHash: Uint8Array, end: 'paid' | 'failed'): void {
    const issued = this.#issued.get(encodeHex(paymentHash))
    const pending = this.#purchases.state(paymentHash).status === 'pending'
    if (issued === undefined || !pending || this.#sales.state(paymentHash) === 'accepted') {
      throw new RangeError('no pending payment with this hash')
    }
    this.#end(paymentHash, issued, end)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  async #decide(request: PayRequest): Promise<PaymentOutcome> {
    const { paymentHash } = request
    const issued = this.#issued.get(encodeHex(paymentHash))
    const objection = this.#objection(issued, request)
    if (issued === undefined || objection !== undefined) return failed(objection ?? 'no route')
    const script = (await this.#options.onPay?.(request)) ?? { status: 'paid' }
    if (script.status === 'unavailable') throw unreachable()
    const lost: PaymentOutcome = { status: 'unknown', detail: 'the answer was lost' }
    const fate = script.status === 'unknown' ? script.later : script.status
    if (fate === 'not_found') return lost
    const times = { expiresAt: issued.expiresAt, nowSeconds: this.#nowSeconds() }
    void this.#purchases.start(paymentHash, times)
    if (fate !== 'pending') this.#end(paymentHash, issued, fate, script)
    if (script.status === 'unknown') return lost
    // What is held has no outcome before it is settled or given back.
    const held = this.#sales.state(paymentHash) === 'accepted'
    return (held ? this.#purchases.started(paymentHash) : undefined) ?? this.#purchases.state(paymentHash)
  }

  #objection(issued: Issued | undefined, request: PayRequest): string | undefined {
    if (issued === undefined || issued.text !== request.invoice.toLowerCase()) return 'no route to the payee'
    if (issued.amountMsat !== request.amountMsat) return 'the invoice has another amount'
    if (this.#nowSeconds() >= issued.expiresAt) return 'the invoice has expired'
    const state = this.#sales.state(request.paymentHash)
    if (state === 'settled' || state === 'accepted') return 'the invoice is already paid'
    if (state === 'cancelled') return 'the payee takes no payment for it any more'
    const feeMsat = this.#feeMsat(issued)
    if (feeMsat > request.maxFeeMsat) return 'no route within the fee limit'
    return issued.amountMsat + feeMsat > this.#balanceMsat ? 'insufficient balance' : undefined
  }

  #feeMsat({ amountMsat }: Issued): bigint {
    const { feeMsat = 0n } = this.#options
    return typeof feeMsat === 'bigint' ? feeMsat : feeMsat(amountMsat)
  }

  #end(
    paymentHash: Uint8Array,
    issued: Issued,
    fate: 'paid' | 'paid_unproven' | 'failed',
    script?: MemoryPayScript,
  ): void {
    if (fate === 'failed') {
      const detail = script?.status === 'failed' ? script.detail : undefined
      this.#purchases.finish(paymentHash, failed(detail ?? 'no route'))
      return
    }
    const feeMsat = this.#feeMsat(issued)
    this.#balanceMsat -= issued.amountMsat + feeMsat
    if (issued.preimage === null) {
      this.#sales.accept(paymentHash, issued.amountMsat)
      return
    }
    this.#sales.settle(paymentHash, issued.amountMsat, issued.preimage)
    const proven: PaymentOutcome = { status: 'paid', preimage: issued.preimage.slice(), feeMsat }
    this.#purchases.finish(paymentHash, fate === 'paid' ? proven : { status: fate, feeMsat })
  }

  #assertReachable(): void {
    if (this.offline || this.#closed) throw unreachable()
  }
}

function failed(detail: string): PaymentOutcome {
  return { status: 'failed', detail }
}

function unreachable(): L402Error {
  return new L402Error('lightning_unavailable', 'Lightning in memory is offline')
}
