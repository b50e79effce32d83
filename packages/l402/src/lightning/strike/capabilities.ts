/** What Strike can do for a seller. */
export const strikeInvoiceCapabilities = { exactMsat: false, looksUp: true } as const

/** What Strike can do for a buyer. */
export const strikePaymentCapabilities = {
  returnsPreimage: true,
  capsFees: true,
  // By an id of its own only, which a lost answer does not tell.
  looksUp: false,
  exactMsat: false,
} as const
