/** What a BTCPay Server store can do for a seller. */
export const btcpayInvoiceCapabilities = { exactMsat: true, looksUp: true } as const

/** What a BTCPay Server store can do for a buyer. */
export const btcpayPaymentCapabilities = {
  returnsPreimage: true,
  // It is passed on, and not every kind of node behind it holds it.
  capsFees: false,
  looksUp: true,
  exactMsat: true,
} as const
