/** A buyer in a process of its own, which dies where it is told (`NAME`, or `NAME 2` for the second time;
 * `none` lists the points): `PURSE URL WALLET POINT`. Prints its outcome as JSON. */

import { buyer, prepareRequest } from '../../src/client/index.ts'
import { decodeHex, encodeHex } from '../../src/core/bytes.ts'
import type { PaymentBackend, PaymentOutcome } from '../../src/lightning/backend.ts'
import type { PurseStore } from '../../src/stores/purse.ts'
import { sqlitePurse } from '../../src/stores/purse-sqlite/index.ts'

const [, , file = '', url = '', walletUrl = '', point = ''] = process.argv

/** Points passed so far: those between which nothing leaves this process. */
const passed: string[] = []

/** Dies as by `kill -9`, leaving nothing behind but what is on the disk. */
async function dieAt(name: string): Promise<void> {
  passed.push(name)
  if (point !== name && point !== `${name} ${passed.filter((one) => one === name).length}`) return
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
/** Every call of the purse, with a point before it and one after. */
const purse: PurseStore = new Proxy(books, {
  get(target, name: keyof PurseStore & string) {
    const method = target[name] as (...args: unknown[]) => Promise<unknown>
    return async (...args: unknown[]) => {
      await dieAt(`before ${name}`)
      const answer = await method(...args)
      await dieAt(name)
      return answer
    }
  },
})
const watchedFetch: typeof globalThis.fetch = async (...args) => {
  await dieAt('before fetch')
  const response = await fetch(...args)
  await dieAt('fetch')
  return response
}

const outcome = await buyer({ wallet, purse, fetch: watchedFetch }).fetch(await prepareRequest(url))
const { kind, purchases } = outcome
const status = 'response' in outcome ? outcome.response?.status : undefined
const resumed = purchases.map((one) => one.resumed)
await dieAt('the end')
process.stdout.write(`${JSON.stringify({ kind, status, resumed, ...(point === 'none' && { passed }) })}\n`)
await books.close()
process.exit(0)
