/** What a program can do for a seller, unless it says otherwise. */
export const execInvoiceCapabilities = { exactMsat: true, looksUp: true } as const

/** What a program can do for a buyer, unless it says otherwise. */
export const execPaymentCapabilities = {
  returnsPreimage: true,
  capsFees: false,
  looksUp: true,
  exactMsat: true,
} as const
