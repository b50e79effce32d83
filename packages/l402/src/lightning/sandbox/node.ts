/**
 * One LDK node and its event loop. LDK does nothing by itself: after every call that may have produced messages
 * or events, {@link SandboxNode} schedules one *pump*, which sends the messages and handles the events. Callbacks
 * only record; whatever follows from an event happens after LDK has returned.
 *
 * LDK's periodic `timer_tick_occurred` is left out on purpose: it disconnects peers that have not answered within
 * two ticks, however close those are, and all that it would clean up is small beside what a payment leaves behind.
 */

import type {
  Bolt11Invoice,
  Event,
  Event_FundingGenerationReady,
  EventHandler,
  SocketDescriptor,
} from 'lightningdevkit'
import type { Block, ChainListener, SimulatedChain } from './chain.ts'
import { describeInvoice, type InvoiceFacts } from './invoice-facts.ts'
import { buildNode, type NodeParts } from './node-parts.ts'
import type { LdkRuntime } from './runtime.ts'

/** What a node's owner does about payments. All are called outside of LDK and must not throw. */
export interface NodeHandlers {
  /** A payment has arrived in full: take it? */
  accepts(paymentHash: Uint8Array, amountMsat: bigint): boolean
  received(paymentHash: Uint8Array, amountMsat: bigint, preimage: Uint8Array | undefined): void
  sent(paymentHash: Uint8Array, preimage: Uint8Array, feeMsat: bigint): void
  failed(paymentHash: Uint8Array, reason: string): void
}

export interface ChannelView {
  /** Own balance above the reserve, in millisatoshi. */
  readonly outboundMsat: bigint
  /** The most one more payment may carry right now, in millisatoshi. */
  readonly limitMsat: bigint
}

/** Events bring more events; after this many rounds the rest waits for the next turn. */
const ROUNDS = 10

export class SandboxNode implements ChainListener {
  readonly nodeId: Uint8Array
  readonly #runtime: LdkRuntime
  readonly #parts: NodeParts
  readonly #handlers: NodeHandlers
  readonly #collector: EventHandler
  readonly #sockets: SocketDescriptor[] = []
  #events: Event[] = []
  #scheduled = false
  #stopped = false

  constructor(runtime: LdkRuntime, chain: SimulatedChain, seconds: number, handlers: NodeHandlers) {
    this.#runtime = runtime
    this.#handlers = handlers
    this.#parts = buildNode(runtime, chain, seconds)
    this.nodeId = this.#parts.nodeId
    const { EventHandler, Result_NoneReplayEventZ } = runtime.ldk
    this.#collector = EventHandler.new_impl({
      handle_event: (event) => {
        this.#events.push(event)
        return Result_NoneReplayEventZ.constructor_ok()
      },
    })
    chain.listen(this)
  }

  /** Handles nothing any more. */
  stop(): void {
    this.#stopped = true
  }

  // ── peers ──────────────────────────────────────────────────────────────────────────────────────────────

  /** A socket whose bytes go to `deliver` on a later turn. */
  socket(id: bigint, deliver: (bytes: Uint8Array) => void): SocketDescriptor {
    const socket = this.#runtime.ldk.SocketDescriptor.new_impl({
      send_data(view) {
        // a view into WASM memory, which the next call may overwrite
        const bytes = Uint8Array.from(view)
        if (bytes.length > 0) setImmediate(() => deliver(bytes))
        return bytes.length
      },
      disconnect_socket: () => {},
      eq: (other) => other.hash() === id,
      hash: () => id,
    })
    this.#sockets.push(socket)
    return socket
  }

  accept(socket: SocketDescriptor): void {
    this.#call(({ peers }) => {
      const unnamed = this.#runtime.ldk.Option_SocketAddressZ.constructor_none()
      assertOk(peers.new_inbound_connection(socket, unnamed), 'accept the connection')
    })
  }

  /** Starts the handshake; returns its first bytes. */
  dial(socket: SocketDescriptor, peer: Uint8Array): Uint8Array {
    return this.#call(({ peers }) => {
      const unnamed = this.#runtime.ldk.Option_SocketAddressZ.constructor_none()
      const result = peers.new_outbound_connection(peer, socket, unnamed)
      if (!(result instanceof this.#runtime.ldk.Result_CVec_u8ZPeerHandleErrorZ_OK)) {
        throw new Error('could not dial')
      }
      return Uint8Array.from(result.res)
    })
  }

  receive(socket: SocketDescriptor, bytes: Uint8Array): void {
    this.#guarded(() => this.#call(({ peers }) => void peers.read_event(socket, bytes)))
  }

  get connected(): boolean {
    return this.#runtime.run(() => this.#parts.peers.list_peers().length > 0)
  }

  // ── chain and channel ──────────────────────────────────────────────────────────────────────────────────

  blockMined({ header, height, transactions }: Block): void {
    this.#call(({ manager, monitor }) => {
      for (const view of [manager.as_Confirm(), monitor.as_Confirm()]) {
        if (transactions.length > 0) {
          const { TwoTuple_usizeTransactionZ } = this.#runtime.ldk
          const numbered = transactions.map((raw, i) =>
            TwoTuple_usizeTransactionZ.constructor_new(i + 1, raw),
          )
          view.transactions_confirmed(header, numbered, height)
        }
        view.best_block_updated(header, height)
      }
    })
  }

  openChannel(peer: Uint8Array, sats: bigint): void {
    this.#call(({ manager }) => {
      assertOk(manager.create_channel(peer, sats, 0n, 1n, null, null), 'open a channel')
    })
  }

  /** The one channel; `undefined` until it is usable. */
  channel(): ChannelView | undefined {
    return this.#runtime.run(() => {
      const [details] = this.#parts.manager.list_usable_channels()
      if (details === undefined) return undefined
      return {
        outboundMsat: details.get_outbound_capacity_msat(),
        limitMsat: details.get_next_outbound_htlc_limit_msat(),
      }
    })
  }

  // ── payments ───────────────────────────────────────────────────────────────────────────────────────────

  createInvoice(terms: { amountMsat: bigint; memo: string; expirySeconds: number }): InvoiceFacts {
    return this.#call(({ manager }) => {
      const ldk = this.#runtime.ldk
      const description = ldk.Description.constructor_new(terms.memo)
      if (!(description instanceof ldk.Result_DescriptionCreationErrorZ_OK)) throw new Error('memo too long')
      const result = manager.create_bolt11_invoice(
        ldk.Option_u64Z.constructor_some(terms.amountMsat),
        ldk.Bolt11InvoiceDescription.constructor_direct(description.res),
        ldk.Option_u32Z.constructor_some(terms.expirySeconds),
        ldk.Option_u16Z.constructor_none(),
        ldk.Option_ThirtyTwoBytesZ.constructor_none(),
      )
      if (!(result instanceof ldk.Result_Bolt11InvoiceSignOrCreationErrorZ_OK)) {
        throw new Error('no invoice came out')
      }
      return describeInvoice(this.#runtime, result.res).facts
    })
  }

  /** Sends a payment; its fate comes through the handlers. Answers why it could not even be sent. */
  send(invoice: Bolt11Invoice, maxFeeMsat: bigint): string | undefined {
    return this.#call(({ manager }) => {
      const ldk = this.#runtime.ldk
      const result = ldk.UtilMethods.constructor_payment_parameters_from_invoice(invoice)
      if (
        !(result instanceof ldk.Result_C3Tuple_ThirtyTwoBytesRecipientOnionFieldsRouteParametersZNoneZ_OK)
      ) {
        return 'the invoice names no amount'
      }
      const hash = result.res.get_a()
      const route = result.res.get_c()
      route.set_max_total_routing_fee_msat(ldk.Option_u64Z.constructor_some(maxFeeMsat))
      const once = ldk.Retry.constructor_attempts(0)
      const sending = manager.send_payment(hash, result.res.get_b(), hash, route, once)
      if (!(sending instanceof ldk.Result_NoneRetryableSendFailureZ_Err)) return undefined
      return ldk.RetryableSendFailure[sending.err]?.replace(/^.*_/, '') ?? 'refused'
    })
  }

  // ── the pump ───────────────────────────────────────────────────────────────────────────────────────────

  /** Runs a step in LDK and schedules the pump, as any step may have left messages or events behind. */
  #call<T>(step: (parts: NodeParts) => T): T {
    const result = this.#runtime.run(() => step(this.#parts))
    this.#schedule()
    return result
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#guarded(() => this.#pump())
    })
  }

  /** For work that nobody waits for: a broken library has told its watchers already. */
  #guarded(work: () => void): void {
    if (this.#stopped) return
    try {
      work()
    } catch {
      this.#stopped = true
    }
  }

  #pump(): void {
    for (let round = 0; round < ROUNDS; round++) {
      const events = this.#runtime.run(() => {
        const { manager, monitor, peers } = this.#parts
        peers.process_events()
        manager.as_EventsProvider().process_pending_events(this.#collector)
        monitor.as_EventsProvider().process_pending_events(this.#collector)
        return this.#events.splice(0)
      })
      if (events.length === 0) return
      for (const event of events) this.#runtime.run(() => this.#handle(event))
    }
    this.#schedule()
  }

  #handle(event: Event): void {
    const ldk = this.#runtime.ldk
    const { manager } = this.#parts
    if (event instanceof ldk.Event_PendingHTLCsForwardable) {
      manager.process_pending_htlc_forwards()
    } else if (event instanceof ldk.Event_PaymentClaimable) {
      const preimage = event.purpose.preimage()
      const known = preimage instanceof ldk.Option_ThirtyTwoBytesZ_Some
      if (known && this.#handlers.accepts(event.payment_hash, event.amount_msat)) {
        manager.claim_funds(preimage.some)
      } else {
        manager.fail_htlc_backwards(event.payment_hash)
      }
    } else if (event instanceof ldk.Event_PaymentClaimed) {
      const preimage = event.purpose.preimage()
      const known = preimage instanceof ldk.Option_ThirtyTwoBytesZ_Some
      this.#handlers.received(
        event.payment_hash,
        event.amount_msat,
        known ? Uint8Array.from(preimage.some) : undefined,
      )
    } else if (event instanceof ldk.Event_PaymentSent) {
      const fee = event.fee_paid_msat
      const feeMsat = fee instanceof ldk.Option_u64Z_Some ? fee.some : 0n
      this.#handlers.sent(event.payment_hash, Uint8Array.from(event.payment_preimage), feeMsat)
    } else if (event instanceof ldk.Event_PaymentFailed) {
      const { payment_id, reason } = event
      const code = reason instanceof ldk.Option_PaymentFailureReasonZ_Some ? reason.some : undefined
      const name = code === undefined ? undefined : ldk.PaymentFailureReason[code]
      this.#handlers.failed(payment_id, name?.replace(/^.*_/, '') ?? 'no reason given')
    } else if (event instanceof ldk.Event_FundingGenerationReady) {
      this.#fund(event)
    }
  }

  /** Pays for the channel with a coin from nowhere: LDK looks only at the output. */
  #fund(event: Event_FundingGenerationReady): void {
    const transaction = this.#runtime.transactions.encode({
      version: 2,
      segwitFlag: true,
      inputs: [
        {
          txid: crypto.getRandomValues(new Uint8Array(32)),
          index: 0,
          finalScriptSig: new Uint8Array(),
          sequence: 0xffffffff,
        },
      ],
      outputs: [{ amount: event.channel_value_satoshis, script: event.output_script }],
      witnesses: [[Uint8Array.of(0xff)]],
      lockTime: 0,
    })
    const { temporary_channel_id: channel, counterparty_node_id: peer } = event
    assertOk(
      this.#parts.manager.funding_transaction_generated(channel, peer, transaction),
      'fund the channel',
    )
  }
}

function assertOk(result: { is_ok(): boolean }, what: string): void {
  if (!result.is_ok()) throw new Error(`could not ${what}`)
}
