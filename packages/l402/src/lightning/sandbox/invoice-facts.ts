/** What the sandbox has to know of an invoice, read by LDK itself. */

import type { Bolt11Invoice } from 'lightningdevkit'
import type { LdkRuntime } from './runtime.ts'

export interface InvoiceFacts {
  readonly text: string
  readonly paymentHash: Uint8Array
  readonly amountMsat: bigint | undefined
  /** Unix seconds. */
  readonly expiresAt: number
  readonly regtest: boolean
  readonly routeHints: number
}

/** An invoice as LDK holds it, with its facts. */
export interface ReadInvoice {
  readonly raw: Bolt11Invoice
  readonly facts: InvoiceFacts
}

/** The parsed and signature-checked invoice, or `undefined`. */
export function readInvoice(runtime: LdkRuntime, text: string): ReadInvoice | undefined {
  return runtime.run((ldk) => {
    const result = ldk.Bolt11Invoice.constructor_from_str(text)
    if (!(result instanceof ldk.Result_Bolt11InvoiceParseOrSemanticErrorZ_OK)) return undefined
    return describeInvoice(runtime, result.res)
  })
}

export function describeInvoice(runtime: LdkRuntime, raw: Bolt11Invoice): ReadInvoice {
  return runtime.run((ldk) => {
    const amount = raw.amount_milli_satoshis()
    return {
      raw,
      facts: {
        text: raw.to_str(),
        paymentHash: Uint8Array.from(raw.payment_hash()),
        amountMsat: amount instanceof ldk.Option_u64Z_Some ? amount.some : undefined,
        expiresAt: Number(raw.duration_since_epoch() + raw.expiry_time()),
        regtest: raw.currency() === ldk.Currency.LDKCurrency_Regtest,
        routeHints: raw.route_hints().length,
      },
    }
  })
}
