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
  Settlement,
  SettlementsFrom,
} from './backend.ts'
