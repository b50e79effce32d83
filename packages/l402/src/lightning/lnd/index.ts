export type { LndOptions } from './client.ts'
export { type LndInvoices, type LndInvoicesOptions, lnd } from './invoices.ts'
export { lndWallet } from './wallet.ts'
