export type { ClnOptions } from './client.ts'
export { type ClnInvoicesOptions, cln } from './invoices.ts'
export { clnWallet } from './wallet.ts'
