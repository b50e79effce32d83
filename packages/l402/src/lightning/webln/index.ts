/** The wallet of a browser's extension, by WebLN (`window.webln`). */

import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import type { PaymentBackend, PaymentCapabilities, PaymentOutcome, PayRequest } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { hash32, objectOf, textOf, wholeOf } from '../lib/values.ts'

/** What is used of a WebLN provider. */
export interface WeblnProvider {
  enable(): Promise<unknown>
  sendPayment(invoice: string): Promise<unknown>
  getBalance?(): Promise<unknown>
}

/** Which wallet, and where it is. */
export interface WeblnOptions {
  /** Left out: `window.webln`. */
  readonly provider?: WeblnProvider
  /** WebLN does not tell the network; default mainnet. Invoices of another one are not paid. */
  readonly network?: Network
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** What WebLN can do for a buyer. */
const capabilities: PaymentCapabilities = {
  returnsPreimage: true,
  capsFees: false,
  // What this page has sent is all there is to know.
  looksUp: false,
  exactMsat: true,
}

/**
 * A wallet over WebLN; its user is asked for leave, and may be asked at each payment. A payment that is not known to
 * have gone through stays `unknown`: WebLN cannot be asked later.
 *
 * @throws `lightning_unavailable` where there is no wallet, or its user refuses.
 *
 * @example
 * const wallet = await weblnWallet()
 */
export async function weblnWallet(options: WeblnOptions = {}): Promise<PaymentBackend> {
  const { provider = globalProvider(), network = 'mainnet', now } = options
  if (provider === undefined)
    throw new L402Error('lightning_unavailable', 'WebLN: this browser has no wallet that offers window.webln')
  try {
    await provider.enable()
  } catch (error) {
    throw new L402Error('lightning_unavailable', `WebLN: the wallet refused: ${messageOf(error)}`)
  }
  return buyerWallet({
    who: 'WebLN',
    network,
    capabilities,
    send: (request) => send(provider, request),
    lookup: async () => ({ status: 'unknown', detail: 'WebLN cannot be asked how a payment stands' }),
    balance: () => balanceOf(provider),
    ping: async () => {},
    now,
  })
}

async function send(provider: WeblnProvider, { invoice }: PayRequest): Promise<PaymentOutcome> {
  try {
    const preimage = hash32(objectOf(await provider.sendPayment(invoice))['preimage'])
    // It does not say what it paid in fees.
    return preimage === undefined
      ? { status: 'paid_unproven', feeMsat: 0n }
      : { status: 'paid', preimage, feeMsat: 0n }
  } catch (error) {
    // WebLN has no codes: only what its user has turned down is certain.
    const detail = messageOf(error)
    return /user (rejected|cancel+ed|denied)/i.test(detail)
      ? { status: 'failed', detail }
      : { status: 'unknown', detail }
  }
}

/** In satoshis, where the wallet counts in them. */
async function balanceOf(provider: WeblnProvider): Promise<bigint | null> {
  try {
    const { balance, currency = 'sats' } = objectOf(await provider.getBalance?.())
    const whole = wholeOf(balance)
    return whole === undefined || currency !== 'sats' ? null : whole * 1000n
  } catch {
    return null
  }
}

function messageOf(error: unknown): string {
  return textOf(error instanceof Error ? error.message : error, 'without a reason')
}

function globalProvider(): WeblnProvider | undefined {
  const found = objectOf((globalThis as { webln?: unknown }).webln)
  return typeof found['enable'] === 'function' && typeof found['sendPayment'] === 'function'
    ? (globalThis as { webln?: WeblnProvider }).webln
    : undefined
}
