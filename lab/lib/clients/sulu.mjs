import axios from 'axios'
import { MemoryTokenStore, setupL402Interceptor } from 'l402'

export async function buy(url, pay) {
  const client = axios.create()
  setupL402Interceptor(
    client,
    { payInvoice: async (invoice) => ({ preimage: await pay(invoice), success: true }) },
    new MemoryTokenStore(),
  )
  const { status, data } = await client.get(url, { responseType: 'text' })
  return new Response(data, { status })
}
