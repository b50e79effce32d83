/** The sandbox itself: a seller's and a buyer's node, a channel between them, and the books of both. */

import { equalBytes } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
  PaymentBackend,
  PaymentOutcome,
  PayRequest,
} from '../backend.ts'
import { orUnknown } from '../lib/deadline.ts'
import { InvoiceBook } from '../lib/invoice-book.ts'
import { checkInvoiceRequest } from '../lib/invoice-terms.ts'
import { PaymentBook } from '../lib/payment-book.ts'
import { SimulatedChain } from './chain.ts'
import { openChannel } from './channel.ts'
import { type ReadInvoice, readInvoice } from './invoice-facts.ts'
import { ChannelKeeper } from './keeper.ts'
import { linkNodes } from './link.ts'
import { SandboxNode } from './node.ts'
import { type LdkRuntime, loadRuntime } from './runtime.ts'
import { checkSandboxOptions, type SandboxOptions } from './settings.ts'

/** Both ends of a play-money Lightning channel. */
export interface Sandbox extends InvoiceBackend, PaymentBackend {
  ping(): Promise<void>
  readonly network: Network
  /** The largest amount that one payment can carry, in millisatoshi. */
  readonly maxPayableMsat: bigint
  /** What the buyer can spend. It is topped up whenever it has fallen below half of the channel. */
  balanceMsat(): Promise<bigint>
  /** All that the seller has received since the sandbox was opened. */
  sellerBalanceMsat(): Promise<bigint>
}

/** The channel reserve that the seller keeps once it has received something, and as much for channel fees. */
const RESERVED_MSAT = 2_000_000n

/**
 * Opens real Lightning without money: two LDK nodes in this process, on a simulated chain, with a channel between
 * them. Invoices, payments and preimages are the real thing; it is usable within a fraction of a second. LDK's
 * memory grows by some 50 KB with every payment: meant for tests, demonstrations and development.
 *
 * Needs the packages `lightningdevkit` and `@scure/btc-signer`, and Node.
 *
 * @throws L402Error `sandbox_forbidden` with `NODE_ENV=production` or for another network than regtest,
 * `lightning_unavailable` where the packages are missing.
 *
 * @example
 * const sandbox = await sandboxLightning()
 * const { invoice } = await sandbox.createInvoice({ amountMsat: 10_000n, memo: 'a page', expirySeconds: 600 })
 */
export async function sandboxLightning(options: SandboxOptions = {}): Promise<Sandbox> {
  const { channelSats, now } = checkSandboxOptions(options)
  const sandbox = new LdkSandbox(await loadRuntime(), now)
  await sandbox.open(channelSats)
  return sandbox
}

class LdkSandbox implements Sandbox {
  readonly network = 'regtest'
  readonly invoiceCapabilities = { exactMsat: true, looksUp: true } as const
  readonly paymentCapabilities = { returnsPreimage: true, capsFees: true, looksUp: true } as const
  readonly #runtime: LdkRuntime
  readonly #nowSeconds: () => number
  readonly #chain: SimulatedChain
  readonly #seller: SandboxNode
  readonly #buyer: SandboxNode
  readonly #sales: InvoiceBook
  /** What the seller hands back to the buyer. */
  readonly #returns: InvoiceBook
  readonly #purchases = new PaymentBook()
  readonly #handBacks = new PaymentBook()
  readonly #unwatch: () => void
  #keeper: ChannelKeeper | undefined
  #maxPayableMsat = 0n
  #closed = false

  constructor(runtime: LdkRuntime, now: () => number) {
    this.#runtime = runtime
    this.#nowSeconds = () => Math.floor(now() / 1000)
    const genesis = runtime.run((ldk) => {
      const block = ldk.BestBlock.constructor_from_network(ldk.Network.LDKNetwork_Regtest)
      return { height: block.get_height(), hash: Uint8Array.from(block.get_block_hash()) }
    })
    this.#chain = new SimulatedChain(genesis, runtime.transactions)
    this.#sales = new InvoiceBook(this.#nowSeconds)
    this.#returns = new InvoiceBook(this.#nowSeconds)
    this.#seller = this.#node(this.#sales, this.#handBacks)
    this.#buyer = this.#node(this.#returns, this.#purchases)
    this.#unwatch = runtime.watch((fault) => this.#abandon(fault.message))
  }

  #node(invoices: InvoiceBook, payments: PaymentBook): SandboxNode {
    return new SandboxNode(this.#runtime, this.#chain, this.#nowSeconds(), {
      accepts: (hash, amountMsat) => invoices.accepts(hash, amountMsat),
      received: (hash, amountMsat, preimage) => invoices.settle(hash, amountMsat, preimage),
      sent: (hash, preimage, feeMsat) => payments.finish(hash, { status: 'paid', preimage, feeMsat }),
      failed: (hash, reason) => payments.finish(hash, { status: 'failed', detail: reason }),
    })
  }

  async open(channelSats: bigint): Promise<void> {
    try {
      this.#chain.mine(this.#nowSeconds())
      linkNodes(this.#buyer, this.#seller)
      const terms = { chain: this.#chain, sats: channelSats, nowSeconds: this.#nowSeconds }
      await openChannel(this.#buyer, this.#seller, terms)
      const fullMsat = this.#buyer.channel()?.limitMsat ?? 0n
      this.#maxPayableMsat = fullMsat - RESERVED_MSAT
      this.#keeper = new ChannelKeeper(this.#buyer, fullMsat, () => this.#handBack())
    } catch (error) {
      await this.close()
      throw error
    }
  }

  get maxPayableMsat(): bigint {
    return this.#maxPayableMsat
  }

  async createInvoice(request: InvoiceRequest): Promise<CreatedInvoice> {
    checkInvoiceRequest(request)
    this.#assertOpen()
    if (request.signal?.aborted === true) {
      throw new L402Error('lightning_unavailable', 'making the invoice was aborted')
    }
    // so that the invoice's timestamp is now
    this.#chain.advanceTo(this.#nowSeconds())
    const { amountMsat, memo, expirySeconds } = request
    const { text, paymentHash, expiresAt } = this.#seller.createInvoice({ amountMsat, memo, expirySeconds })
    this.#sales.add(paymentHash, { expiresAt, amountMsat })
    return { invoice: text, paymentHash, amountMsat, expiresAt }
  }

  async lookupInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    this.#assertOpen()
    return this.#sales.state(paymentHash)
  }

  async invoiceDetails(paymentHash: Uint8Array): Promise<InvoiceDetails> {
    this.#assertOpen()
    return this.#sales.details(paymentHash)
  }

  async ping(): Promise<void> {
    this.#assertOpen()
    if (this.#seller.channel() === undefined) {
      throw new L402Error('lightning_unavailable', 'the sandbox has lost its channel; restart the process')
    }
  }

  async pay(request: PayRequest): Promise<PaymentOutcome> {
    const started = this.#purchases.started(request.paymentHash)
    if (started !== undefined) return await orUnknown(started, request.timeoutMs)
    this.#assertOpen()
    const invoice = readInvoice(this.#runtime, request.invoice)
    const objection = this.#objection(invoice, request)
    if (invoice === undefined || objection !== undefined) {
      return { status: 'failed', detail: objection ?? 'not an invoice' }
    }
    const { expiresAt } = invoice.facts
    const times = { expiresAt, nowSeconds: this.#nowSeconds() }
    const done = this.#purchases.start(request.paymentHash, times)
    void this.#send(invoice, request)
    return await orUnknown(done, request.timeoutMs)
  }

  async lookupPayment(paymentHash: Uint8Array): Promise<PaymentOutcome> {
    const state = this.#purchases.state(paymentHash)
    if (state.status === 'not_found') this.#assertOpen()
    return state
  }

  async balanceMsat(): Promise<bigint> {
    this.#assertOpen()
    return this.#buyer.channel()?.outboundMsat ?? 0n
  }

  async sellerBalanceMsat(): Promise<bigint> {
    this.#assertOpen()
    return this.#sales.receivedMsat
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#unwatch()
    this.#abandon('the sandbox was closed')
  }

  /** Why an invoice is not paid; LDK would pay an expired one. */
  #objection(invoice: ReadInvoice | undefined, request: PayRequest): string | undefined {
    if (invoice === undefined) return 'not a valid BOLT 11 invoice'
    const { paymentHash, amountMsat, expiresAt, regtest } = invoice.facts
    if (!regtest) return 'the invoice is not for regtest, the network of the sandbox'
    if (!equalBytes(paymentHash, request.paymentHash)) return 'the invoice has another payment hash'
    if (amountMsat !== request.amountMsat) return 'the invoice has another amount'
    if (this.#nowSeconds() >= expiresAt) return 'the invoice has expired'
    if (amountMsat > this.#maxPayableMsat) {
      return `the sandbox's channel carries at most ${this.#maxPayableMsat} msat at once`
    }
    return undefined
  }

  /** Sends when the channel has room, and reports every way this can end to the books. */
  async #send(
    { raw, facts }: ReadInvoice,
    { paymentHash, amountMsat, maxFeeMsat }: PayRequest,
  ): Promise<void> {
    const fail = (detail: string): void => this.#purchases.finish(paymentHash, { status: 'failed', detail })
    const keeper = this.#keeper
    try {
      const entered = await keeper?.enter(amountMsat, () => {
        const done = this.#purchases.started(paymentHash)
        void done?.then(() => keeper.leave()).catch(() => undefined)
        if (this.#nowSeconds() >= facts.expiresAt) return fail('the invoice has expired')
        this.#chain.advanceTo(this.#nowSeconds())
        const refusal = this.#buyer.send(raw, maxFeeMsat)
        if (refusal !== undefined) fail(refusal)
      })
      if (entered !== true) fail('the channel has no room')
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      this.#purchases.finish(paymentHash, { status: 'unknown', detail })
    }
  }

  /** Pays what the seller has back to the buyer. */
  async #handBack(): Promise<boolean> {
    const amountMsat = this.#seller.channel()?.limitMsat ?? 0n
    if (amountMsat <= 0n || this.#closed) return false
    const text = this.#buyer.createInvoice({ amountMsat, memo: 'handed back', expirySeconds: 3600 })
    const invoice = readInvoice(this.#runtime, text.text)
    if (invoice === undefined) return false
    const { paymentHash, expiresAt } = invoice.facts
    this.#returns.add(paymentHash, { expiresAt, amountMsat })
    const done = this.#handBacks.start(paymentHash, { expiresAt, nowSeconds: this.#nowSeconds() })
    const refusal = this.#seller.send(invoice.raw, 0n)
    if (refusal !== undefined) this.#handBacks.finish(paymentHash, { status: 'failed', detail: refusal })
    return (await done).status === 'paid'
  }

  #abandon(detail: string): void {
    this.#seller.stop()
    this.#buyer.stop()
    this.#keeper?.stop()
    this.#purchases.abandon(detail)
    this.#handBacks.abandon(detail)
  }

  #assertOpen(): void {
    if (this.#closed) throw new L402Error('lightning_unavailable', 'the sandbox is closed')
    this.#runtime.assertAlive()
  }
}
