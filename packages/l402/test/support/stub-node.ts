/** Servers that speak a node's documented HTTP, in front of Lightning in memory. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeUnverifiedInvoice } from '../../src/core/bolt11/index.ts'
import type { PaymentOutcome } from '../../src/lightning/backend.ts'
import { type MemoryLightning, memoryLightning } from '../../src/lightning/memory.ts'

/** One request, its body read. */
export interface StubRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: NodeJS.Dict<string | string[]>
  /** JSON or a form, as an object of texts and numbers. */
  readonly body: Readonly<Record<string, unknown>>
}

/** What it is answered with. */
export interface StubAnswer {
  readonly status: number
  readonly json: unknown
}

/** A running stub. */
export interface StubNode {
  readonly url: string
  readonly lightning: MemoryLightning
  close(): Promise<void>
}

/** Starts a stub; `answer` speaks the API. */
export async function startStub(
  answer: (request: StubRequest, lightning: MemoryLightning) => Promise<StubAnswer>,
): Promise<StubNode> {
  const lightning = memoryLightning()
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      const url = new URL(request.url ?? '/', 'http://stub')
      const text = Buffer.concat(chunks).toString()
      const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')
      const body = isForm
        ? Object.fromEntries(new URLSearchParams(text))
        : text === ''
          ? {}
          : JSON.parse(text)
      const asked = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
      }
      const { status, json } = await answer({ ...asked, body }, lightning).catch((error: unknown) => ({
        status: 500,
        json: { message: String(error) },
      }))
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lightning,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Has the stub's own wallet pay an invoice of its own. */
export async function payInMemory(lightning: MemoryLightning, invoice: string): Promise<PaymentOutcome> {
  const { paymentHash, amountMsat } = decodeUnverifiedInvoice(invoice)
  return await lightning.pay({
    invoice,
    paymentHash,
    amountMsat: amountMsat ?? 0n,
    maxFeeMsat: 10_000n,
    timeoutMs: 10_000,
  })
}
