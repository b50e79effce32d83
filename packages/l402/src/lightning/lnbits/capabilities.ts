/** What an LNbits wallet can do for a seller. */
export const lnbitsInvoiceCapabilities = { exactMsat: false, looksUp: true } as const

/** What an LNbits wallet can do for a buyer. */
export const lnbitsPaymentCapabilities = {
  returnsPreimage: true,
  capsFees: false,
  looksUp: true,
  exactMsat: true,
} as const
