import { fetch402 } from '@getalby/lightning-tools/402'

export function buy(url, pay) {
  return fetch402(
    url,
    {},
    { wallet: { payInvoice: async ({ invoice }) => ({ preimage: await pay(invoice) }) } },
  )
}
