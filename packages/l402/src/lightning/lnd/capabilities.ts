/** What every lnd node can do for a seller. */
export const lndInvoiceCapabilities = {
  exactMsat: true,
  looksUp: true,
  subscribes: true,
  cancels: true,
  holds: true,
} as const

/** What every lnd node can do for a buyer. */
export const lndPaymentCapabilities = {
  returnsPreimage: true,
  capsFees: true,
  looksUp: true,
  exactMsat: true,
  paysAnyAmount: true,
} as const
