/** A seller made of mppx, in a process of its own, whose invoices are made here. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { encodeHex } from '@turnpike/l402'
import type { InvoiceBackend } from '@turnpike/l402/lightning'
import type { Installed } from './published.ts'

/** Starts it: one for HTTP or for MCP. `header`: its credentials come in `Payment-Authorization`. */
export async function startMppxSeller(
  installed: Extract<Installed, { ok: true }>,
  {
    invoices,
    header = false,
    script = 'mppx-server.mjs',
  }: {
    readonly invoices: string
    readonly header?: boolean
    readonly script?: 'mppx-server.mjs' | 'mppx-mcp-server.mjs'
  },
): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const [path] = besideClient(installed, [script, 'mppx-charge.mjs'])
  const child = spawn(installed.command, [path, invoices, ...(header ? ['header'] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  const first = once(child.stdout, 'data').then(([line]) => String(line).trim())
  const url = await Promise.race([first, ended.then(() => '')])
  if (!url.startsWith('http://127.0.0.1:')) throw new Error('the seller made of mppx did not start')
  return {
    url,
    async stop() {
      child.kill()
      await ended
    },
  }
}

/** Copies scripts of this folder to where the client is installed: the paths there. */
export function besideClient<Names extends readonly string[]>(
  { args }: Extract<Installed, { ok: true }>,
  names: readonly [...Names],
): { [Index in keyof Names]: string } {
  const paths = names.map((name) => {
    const path = join(dirname(args[0] ?? ''), name)
    copyFileSync(join(import.meta.dirname, name), path)
    return path
  })
  return paths as { [Index in keyof Names]: string }
}

/** Listens on a free loopback port. */
export async function listen(
  handle: (req: IncomingMessage, res: ServerResponse) => unknown,
): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((req, res) => {
    void Promise.resolve(handle(req, res)).catch(() => res.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

/** Makes invoices over HTTP: takes `{"amountMsat"}`, answers `{"invoice","paymentHash"}`. */
export function invoiceMaker(lightning: InvoiceBackend) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { amountMsat } = (await json(req)) as { amountMsat: string }
    const made = await lightning.createInvoice({
      amountMsat: BigInt(amountMsat),
      memo: 'one forecast',
      expirySeconds: 600,
    })
    res.end(JSON.stringify({ invoice: made.invoice, paymentHash: encodeHex(made.paymentHash) }))
  }
}

/** How a server's challenge is changed on its way: its field values, one line each. */
export type Spoil = (lines: readonly string[]) => readonly string[]

/** A server as it is, but for the `WWW-Authenticate` lines of its 402s. */
export function changing(target: string, spoil: Spoil) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const headers = new Headers()
    for (const [name, value] of Object.entries(req.headers))
      if (typeof value === 'string' && !/^(host|connection|content-length|transfer-encoding)$/.test(name))
        headers.set(name, value)
    const body = req.method === 'GET' || req.method === 'HEAD' ? null : await text(req)
    const answer = await fetch(target + req.url, { method: req.method ?? 'GET', headers, body })
    const raw = answer.headers.get('www-authenticate')
    for (const [name, value] of answer.headers)
      if (!/^(www-authenticate|connection|content-length|transfer-encoding|content-encoding)$/.test(name))
        res.setHeader(name, value)
    if (raw !== null) {
      // Each scheme at the start of its line, as the two servers of this suite write them.
      const lines = raw.split(/, (?=(?:L402|LSAT|Payment) [a-z]+=")/)
      res.setHeader('www-authenticate', [...spoil(lines)])
    }
    res.writeHead(answer.status)
    res.end(Buffer.from(await answer.arrayBuffer()))
  }
}
