/** What Blink can do for a seller. */
export const blinkInvoiceCapabilities = { exactMsat: false, looksUp: true } as const

/** What Blink can do for a buyer. */
export const blinkPaymentCapabilities = {
  returnsPreimage: true,
  capsFees: false,
  looksUp: true,
  exactMsat: false,
} as const
