/** What an LNURL-pay service can do for a seller. */
export const lnurlInvoiceCapabilities = { exactMsat: true, looksUp: true, setsExpiry: false } as const
