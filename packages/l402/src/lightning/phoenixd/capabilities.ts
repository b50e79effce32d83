/** What phoenixd can do for a seller. */
export const phoenixdInvoiceCapabilities = { exactMsat: false, looksUp: true } as const

/** What phoenixd can do for a buyer. */
export const phoenixdPaymentCapabilities = {
  returnsPreimage: true,
  capsFees: false,
  looksUp: true,
  exactMsat: true,
} as const
