/**
 * HTTP/1.1:
 *   free      the same proxy with the gate off (a free route)
 *   pass      a time pass, its credential cached
 *   counted   one use per request in the books (SQLite): reserved, opened to serving, committed
 *   402       unpaid requests; a real invoice each, made by a sandbox node in the gateway's own process
 *   nginx, caddy   plain reverse proxies to the same upstream
 *   other     `pass` through the gateway of another checkout, built, which `BENCH_BESIDE` names
 * All but `402` send a credential, so that the bytes on the wire are alike. The unpaid ones have a gateway of their own, so
 * that its thousands of open invoices weigh on nothing else.
 */
import { resolve } from 'node:path'
import { invoiceCpuMicros } from '../lib/invoice-cost.ts'
import type { Peer } from '../lib/peer.ts'
import { buyCredential, startGateway } from '../lib/peers.ts'
import { type Kind, runSection } from '../lib/section.ts'
import { median } from '../lib/stats.ts'
import type { ProxySection } from './stage.ts'

const beside = process.env['BENCH_BESIDE']

export const h1: ProxySection = {
  name: 'h1',
  kinds: ['free', 'pass', 'counted', '402', 'nginx', 'caddy', ...(beside === undefined ? [] : ['other'])],
  async run(stage) {
    const { upstream, gateway, pass } = stage
    const unpaid = await startGateway(upstream.url)
    const other =
      beside === undefined ? undefined : await startGateway(upstream.url, { checkout: resolve(beside) })
    const kind = (peer: Peer | undefined, path: string, authorization?: string): Kind | undefined =>
      peer && {
        pid: peer.pid,
        url: peer.url + path,
        ...(authorization !== undefined && { authorization }),
        connections: 64,
        expected: authorization === undefined ? 402 : 200,
      }
    const kinds = stage.pick([
      ['free', kind(gateway, '/free/x', pass)],
      ['pass', kind(gateway, '/pass/x', pass)],
      ['counted', kind(gateway, '/bundle/x', await buyCredential(gateway, '/bundle/x'))],
      ['402', kind(unpaid, '/pass/x')],
      ['nginx', kind(stage.nginx, '/x', pass)],
      ['caddy', kind(stage.caddy, '/x', pass)],
      ['other', other && kind(other, '/pass/x', await buyCredential(other, '/pass/x'))],
    ])
    const results = await runSection(
      {
        title: 'HTTP/1.1, 64 connections',
        kinds,
        ratios: [
          { key: 'cpuMicros', top: 'pass', bottom: 'free', note: 'reach: 1.10 or less' },
          { key: 'cpuMicros', top: 'pass', bottom: 'nginx', note: 'reach: 3.5 or less' },
          { key: 'cpuMicros', top: 'pass', bottom: 'caddy' },
          { key: 'cpuMicros', top: 'counted', bottom: 'pass' },
          { key: 'perSecond', top: 'counted', bottom: 'pass', note: 'reach: 0.50 or more' },
          { key: 'cpuMicros', top: '402', bottom: 'pass' },
          { key: 'cpuMicros', top: 'pass', bottom: 'other' },
        ],
      },
      stage.plan,
    )
    const challenges = results.get('402')
    if (challenges !== undefined) await printInvoiceShare(median(challenges.map((round) => round.cpuMicros)))
    await Promise.all([unpaid.stop(), other?.stop()])
  },
}

/** How much of a 402 answer is the node's work on its invoice: that is the sandbox's, not the gate's. */
async function printInvoiceShare(micros: number): Promise<void> {
  const invoice = await invoiceCpuMicros()
  const share = ((invoice / micros) * 100).toFixed(0)
  console.log(
    `\nmaking an invoice, alone in this process: ${invoice.toFixed(0)} µs of CPU, ${share} % of a 402 answer`,
  )
}
