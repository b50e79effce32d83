import { fetchWithL402 } from '@getalby/lightning-tools/402/l402'

export function buy(url, pay) {
  return fetchWithL402(
    url,
    {},
    { wallet: { payInvoice: async ({ invoice }) => ({ preimage: await pay(invoice) }) } },
  )
}
