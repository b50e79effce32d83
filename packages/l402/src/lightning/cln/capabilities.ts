/** What Core Lightning can do for a seller. */
export const clnInvoiceCapabilities = {
  exactMsat: true,
  looksUp: true,
  subscribes: true,
  cancels: true,
} as const

/** What Core Lightning can do for a buyer. */
export const clnPaymentCapabilities = {
  returnsPreimage: true,
  capsFees: true,
  looksUp: true,
  exactMsat: true,
} as const
