/** Millisatoshi by payment hash (hex), as each of those who keep books tells it. */

import { type Program, run } from '../../../packages/gateway/test/e2e/program.ts'
import type { LabNode } from '../lightning.ts'

/** What the buyer's node sent, fees included; nothing that is still under way. Throws where it has paid one hash twice. */
export async function sentBy(node: LabNode): Promise<ReadonlyMap<string, bigint>> {
  const answer = await node.call('GET', '/v1/payments?include_incomplete=true&max_payments=10000')
  const { payments } = answer as {
    payments: { status: string; value_msat: string; fee_msat: string; payment_hash: string }[]
  }
  const sent = new Map<string, bigint>()
  for (const { status, value_msat, fee_msat, payment_hash } of payments) {
    if (status !== 'SUCCEEDED') continue
    if (sent.has(payment_hash)) throw new Error(`paid twice: ${payment_hash}`)
    sent.set(payment_hash, BigInt(value_msat) + BigInt(fee_msat))
  }
  return sent
}

/** What the seller's node got. */
export async function settledAt(node: LabNode): Promise<ReadonlyMap<string, bigint>> {
  const { invoices } = (await node.call('GET', '/v1/invoices?num_max_invoices=10000')) as {
    invoices: { state: string; amt_paid_msat: string; r_hash: string }[]
  }
  return new Map(
    invoices
      .filter(({ state }) => state === 'SETTLED')
      .map(({ r_hash, amt_paid_msat }) => [
        Buffer.from(r_hash, 'base64').toString('hex'),
        BigInt(amt_paid_msat),
      ]),
  )
}

/** What the gateway sold, through `turnpike payments`. */
export async function salesOf(folder: string, { admin }: Program): Promise<[string, bigint][]> {
  const { code, out, err } = await run(folder, ['payments', '--json', '--limit', '1000', '--admin', admin])
  if (code !== 0) throw new Error(`turnpike payments ended with ${code}: ${err}`)
  const { items }: { items: { paymentHash: string; amountMsat: number }[] } = JSON.parse(out)
  return items.map(({ paymentHash, amountMsat }) => [paymentHash, BigInt(amountMsat)])
}
