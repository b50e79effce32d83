export { decodeInvoice, decodeUnverifiedInvoice, type UnverifiedInvoice } from './decode.ts'
export { encodeInvoice } from './encode.ts'
export type {
  FallbackAddress,
  Invoice,
  InvoiceFields,
  RouteHop,
} from './invoice.ts'
