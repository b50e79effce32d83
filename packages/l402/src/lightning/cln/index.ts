export type { ClnOptions } from './client.ts'
export { cln } from './invoices.ts'
export { clnWallet } from './wallet.ts'
