/** A sandbox wallet that lies, fails or falls silent; what it is not told it passes on to a real one. */

import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'

const JSON_TYPE = { 'content-type': 'application/json' }

/** A running wallet. */
export interface FakeWallet {
  readonly url: string
  /** Invoices it was asked to pay. */
  readonly asked: string[]
  /** Answers a payment; `undefined` leaves it to the real wallet. */
  onPay: (response: ServerResponse, invoice: string) => unknown
  /** Answers a look-up; `undefined` leaves it to the real wallet. */
  onLookup: (response: ServerResponse, paymentHash: string) => unknown
  /** Pays at the real wallet and tells nobody. */
  payForReal(invoice: string): Promise<{ preimage: string; feeMsat: string }>
  stop(): Promise<void>
}

const running: FakeWallet[] = []
afterEach(async () => {
  for (const wallet of running.splice(0)) await wallet.stop()
})

/** Starts one before the real wallet at `real`; on `port` where it is to come back. */
export async function startWallet(real: string, port = 0): Promise<FakeWallet> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      const path = request.url ?? ''
      const body = Buffer.concat(chunks).toString()
      if (request.method === 'POST') {
        const { invoice } = JSON.parse(body) as { invoice: string }
        wallet.asked.push(invoice)
        if (wallet.onPay(response, invoice) !== undefined) return
      } else if (wallet.onLookup(response, path.split('/').at(-1) ?? '') !== undefined) return
      const init = request.method === 'POST' ? { method: 'POST', body, headers: JSON_TYPE } : {}
      const answer = await fetch(real + path, init)
      response.writeHead(answer.status, JSON_TYPE).end(await answer.text())
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const wallet: FakeWallet = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    onPay: () => undefined,
    onLookup: () => undefined,
    async payForReal(invoice) {
      const answer = await fetch(`${real}/sandbox/v1/pay`, {
        method: 'POST',
        headers: JSON_TYPE,
        body: JSON.stringify({ invoice }),
      })
      return (await answer.json()) as { preimage: string; feeMsat: string }
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  running.push(wallet)
  return wallet
}
