/** What Eclair can do for a seller. */
export const eclairInvoiceCapabilities = { exactMsat: true, looksUp: true } as const

/** What Eclair can do for a buyer. */
export const eclairPaymentCapabilities = {
  returnsPreimage: true,
  capsFees: true,
  looksUp: true,
  exactMsat: true,
} as const
