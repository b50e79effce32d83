/** A buyer in a process of its own, which dies where it is told: `PURSE URL WALLET POINT`. Prints its outcome as JSON. */

import { buyer, prepareRequest } from '../../src/client/index.ts'
import { decodeHex, encodeHex } from '../../src/core/bytes.ts'
import type { PaymentBackend, PaymentOutcome } from '../../src/lightning/backend.ts'
import { sqlitePurse } from '../../src/stores/purse-sqlite/index.ts'

const [, , file = '', url = '', walletUrl = '', point = ''] = process.argv

/** Dies as by `kill -9`, leaving nothing behind but what is on the disk. */
async function dieAt(name: string): Promise<void> {
  if (point !== name) return
  process.kill(process.pid, 'SIGKILL')
  await new Promise(() => setInterval(() => {}, 1e6))
}

async function outcomeOf(response: Response): Promise<PaymentOutcome> {
  const { status, preimage } = (await response.json()) as { status: 'paid' | 'not_found'; preimage: string }
  if (status !== 'paid') return { status }
  return { status, preimage: decodeHex(preimage) ?? new Uint8Array(), feeMsat: 0n }
}

const wallet: PaymentBackend = {
  network: 'regtest',
  paymentCapabilities: { returnsPreimage: true, capsFees: true, looksUp: true },
  async pay({ paymentHash }) {
    await dieAt('before paying')
    const response = await fetch(`${walletUrl}/${encodeHex(paymentHash)}`, { method: 'POST' })
    await dieAt('paid')
    return await outcomeOf(response)
  },
  lookupPayment: async (paymentHash) => outcomeOf(await fetch(`${walletUrl}/${encodeHex(paymentHash)}`)),
  balanceMsat: async () => null,
  close: async () => {},
}

const books = sqlitePurse({ file })
const purse = {
  ...books,
  async reserve(...args: Parameters<typeof books.reserve>) {
    const answer = await books.reserve(...args)
    await dieAt('reserved')
    return answer
  },
  async settle(...args: Parameters<typeof books.settle>) {
    const credential = await books.settle(...args)
    await dieAt('settled')
    return credential
  },
}

const outcome = await buyer({ wallet, purse }).fetch(await prepareRequest(url))
const { kind, purchases } = outcome
const status = 'response' in outcome ? outcome.response?.status : undefined
const resumed = purchases.map((one) => one.resumed)
process.stdout.write(`${JSON.stringify({ kind, status, resumed })}\n`)
await books.close()
process.exit(0)
