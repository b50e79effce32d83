export type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceCapabilities,
  InvoiceRequest,
  InvoiceState,
  Network,
  PaymentBackend,
  PaymentCapabilities,
  PaymentOutcome,
  PayRequest,
} from './backend.ts'
