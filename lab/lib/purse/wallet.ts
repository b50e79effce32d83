/**
 * A wallet without judgement: it pays whatever it is asked to and writes it down. What stands between it and a hostile
 * server is the purse alone, and its ledger is what the purse's books are checked against.
 */

import { randomBytes } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeUnverifiedInvoice, encodeHex } from '@turnpike/l402'
import type { PaymentBackend, PaymentOutcome } from '@turnpike/l402/lightning'

/** What an invoice without an amount costs here: all there is. */
const EVERYTHING_MSAT = 100_000_000_000n

/** One payment that really left the wallet. */
export interface Spent {
  /** Lower-case hex. */
  readonly paymentHash: string
  readonly amountMsat: bigint
}

/** The wallet, for this process and, at `url`, for others that speak the sandbox's protocol. */
export interface Spendthrift extends PaymentBackend {
  readonly url: string
  readonly ledger: readonly Spent[]
  readonly spentMsat: bigint
  /** Preimages by payment hash: what the payees know. */
  readonly preimages: Map<string, Uint8Array>
  /** How the next payments end; default: paid. `lost` is paid too, and the answer is lost. */
  ends: 'paid' | 'lost' | 'unproven' | 'wrong preimage' | 'failed'
  /** Milliseconds from being asked to answering, and how that payment ends; what is paid is on the ledger before. */
  manner: () => { readonly delayMs: number; readonly ends: Spendthrift['ends'] }
  /** Starts with an empty ledger. */
  reset(): void
}

/** Starts one on a free loopback port. */
export async function startSpendthrift(): Promise<Spendthrift> {
  const preimages = new Map<string, Uint8Array>()
  let ledger: Spent[] = []
  const outcomeOf = (hash: string): PaymentOutcome => {
    if (!ledger.some(({ paymentHash }) => paymentHash === hash)) return { status: 'not_found' }
    if (wallet.ends === 'unproven') return { status: 'paid_unproven', feeMsat: 0n }
    const known = wallet.ends === 'wrong preimage' ? undefined : preimages.get(hash)
    return { status: 'paid', preimage: known ?? new Uint8Array(randomBytes(32)), feeMsat: 0n }
  }
  const pay = async (invoice: string): Promise<PaymentOutcome> => {
    const { paymentHash, amountMsat } = decodeUnverifiedInvoice(invoice)
    const hash = encodeHex(paymentHash)
    const { ends, delayMs } = wallet.manner()
    if (ends !== 'failed') ledger.push({ paymentHash: hash, amountMsat: amountMsat ?? EVERYTHING_MSAT })
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
    if (ends === 'failed') return { status: 'failed', detail: 'no route' }
    if (ends === 'lost') return { status: 'unknown', detail: 'the answer was lost' }
    return outcomeOf(hash)
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.method === 'POST') {
        const { invoice } = JSON.parse(Buffer.concat(chunks).toString()) as { invoice: string }
        return void pay(invoice).then((outcome) => answer(response, outcome, true))
      }
      answer(response, outcomeOf((request.url ?? '').split('/').at(-1) ?? ''), false)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const wallet: Spendthrift = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    network: 'regtest',
    paymentCapabilities: { returnsPreimage: true, capsFees: true, looksUp: true },
    preimages,
    ends: 'paid',
    manner: () => ({ delayMs: 0, ends: wallet.ends }),
    get ledger() {
      return ledger
    },
    get spentMsat() {
      return ledger.reduce((sum, { amountMsat }) => sum + amountMsat, 0n)
    },
    reset() {
      ledger = []
      wallet.ends = 'paid'
    },
    pay: ({ invoice }) => pay(invoice),
    lookupPayment: async (paymentHash) => outcomeOf(encodeHex(paymentHash)),
    balanceMsat: async () => EVERYTHING_MSAT,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return wallet
}

function answer(response: ServerResponse, outcome: PaymentOutcome, paying: boolean): void {
  const [status, body] = wireOf(outcome, paying)
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function wireOf(outcome: PaymentOutcome, paying: boolean): readonly [number, Record<string, string>] {
  switch (outcome.status) {
    case 'paid':
      return [200, { status: 'paid', preimage: encodeHex(outcome.preimage), feeMsat: '0' }]
    case 'paid_unproven':
      return [200, { status: 'paid', preimage: '', feeMsat: '0' }]
    case 'failed':
      return [paying ? 422 : 200, { status: 'failed', detail: outcome.detail }]
    case 'not_found':
      return [404, { status: 'not_found' }]
    default:
      return [paying ? 504 : 200, { status: 'unknown', detail: 'the answer was lost' }]
  }
}
