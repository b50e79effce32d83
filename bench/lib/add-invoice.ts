import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import type { LoadResult } from './load.ts'
import { median, percentile } from './stats.ts'

/** An lnd node, asked directly. */
export interface AddInvoice {
  run(options: { readonly connections: number; readonly seconds: number }): Promise<LoadResult>
  stop(): void
}

const BODY = JSON.stringify({ value_msat: '10000', memo: 'bench', expiry: '600' })

/** Makes invoices by lnd's REST, as fast as it goes over kept connections. */
export function startAddInvoice(node: {
  readonly rest: string
  readonly tls: string
  readonly macaroonFile: string
}): AddInvoice {
  const agent = new Agent({ keepAlive: true, ca: readFileSync(node.tls), maxSockets: 1024 })
  const headers = {
    'Grpc-Metadata-macaroon': readFileSync(node.macaroonFile).toString('hex'),
    'content-type': 'application/json',
    'content-length': BODY.length,
  }
  const add = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const sent = request(`${node.rest}/v1/invoices`, { method: 'POST', agent, headers }, (answer) => {
        if (answer.statusCode !== 200) reject(new Error(`lnd answered HTTP ${answer.statusCode}`))
        answer.resume().once('end', resolve)
      })
      sent.once('error', reject)
      sent.end(BODY)
    })
  return {
    async run({ connections, seconds }) {
      const latenciesMs: number[] = []
      const startedAt = performance.now()
      const until = startedAt + seconds * 1000
      const one = async (): Promise<void> => {
        while (performance.now() < until) {
          const sentAt = performance.now()
          await add()
          latenciesMs.push(performance.now() - sentAt)
        }
      }
      await Promise.all(Array.from({ length: connections }, one))
      const elapsed = (performance.now() - startedAt) / 1000
      const requests = latenciesMs.length
      const [p50Ms, p99Ms] = [median(latenciesMs), percentile(latenciesMs, 0.99)]
      return { requests, perSecond: requests / elapsed, p50Ms, p99Ms }
    },
    stop: () => agent.destroy(),
  }
}
