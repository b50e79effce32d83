/** What any wallet behind NWC can do for a seller. */
export const nwcInvoiceCapabilities = { exactMsat: true, looksUp: true } as const

/** What any wallet behind NWC can do for a buyer. */
export const nwcPaymentCapabilities = {
  returnsPreimage: true,
  capsFees: false,
  looksUp: true,
  exactMsat: true,
} as const
