/** A wallet out of a few functions, with everything else that the contract asks. */

import type { Network } from '../../core/network.ts'
import type { PaymentBackend, PaymentCapabilities, PaymentOutcome, PayRequest } from '../backend.ts'
import { identitiesOf } from './identity.ts'
import { assertOpen } from './invoice-terms.ts'
import { checkProof, payOnce } from './pay-once.ts'

/** What a kind brings. */
export interface BuyerParts {
  /** For messages. */
  readonly who: string
  readonly network: Network
  readonly capabilities: PaymentCapabilities
  /** Sends. Throws `lightning_unavailable` only where nothing was sent. */
  readonly send: (request: PayRequest) => Promise<PaymentOutcome>
  /** Never throws for what it cannot find out: that is `unknown`. */
  readonly lookup: (paymentHash: Uint8Array) => Promise<PaymentOutcome>
  readonly balance: () => Promise<bigint | null>
  readonly ping: () => Promise<void>
  readonly close?: () => void
  /** The node's public key or the account's id, if there is one. May throw. */
  readonly identity?: () => Promise<unknown>
  /** What else is known of where the wallet is, beyond `who`; no secret. */
  readonly place?: string
  readonly walletPaysOnce?: boolean
  readonly now?: (() => number) | undefined
}

/** See {@link BuyerParts}. */
export function buyerWallet(parts: BuyerParts): PaymentBackend {
  const { who, network, send, lookup, walletPaysOnce = false, now } = parts
  const ended = new AbortController()
  // Where a wallet cannot be asked, what this process has sent is all there is to know.
  const asked = parts.capabilities.looksUp ? lookup : async () => NOT_FOUND
  const pay = payOnce({ network, send, lookup: asked, walletPaysOnce, now })
  return {
    network,
    paymentCapabilities: parts.capabilities,
    async pay(request) {
      assertOpen(who, ended.signal)
      return await pay(request)
    },
    lookupPayment: async (paymentHash) => checkProof(await lookup(paymentHash), paymentHash),
    identities: identitiesOf(parts.place === undefined ? who : `${who} ${parts.place}`, parts.identity),
    async balanceMsat() {
      assertOpen(who, ended.signal)
      return await parts.balance()
    },
    async ping() {
      assertOpen(who, ended.signal)
      await parts.ping()
    },
    async close() {
      if (!ended.signal.aborted) parts.close?.()
      ended.abort()
    },
  }
}

const NOT_FOUND: PaymentOutcome = { status: 'not_found' }
