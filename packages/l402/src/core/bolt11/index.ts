export { decodeInvoice, decodeUnverifiedInvoice, type UnverifiedInvoice } from './decode.ts'
export { encodeInvoice } from './encode.ts'
export {
  type FallbackAddress,
  type Invoice,
  type InvoiceFields,
  MAX_INVOICE_LENGTH,
  type RouteHop,
} from './invoice.ts'
