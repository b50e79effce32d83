/** What OpenNode can do for a seller. It pays too, but gives no preimage back, so it cannot buy. */
export const opennodeInvoiceCapabilities = { exactMsat: false, looksUp: true } as const
