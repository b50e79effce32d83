/**
 * What the gate costs. Kinds of request, in interleaved rounds in random order:
 *   free      the same proxy with the gate off (a free route)
 *   pass      a time pass, its credential cached
 *   counted   one use per request in the books (SQLite): reserved, opened to serving, committed
 *   402       unpaid requests; a real invoice each, made by a sandbox node in the gateway's own process
 *   nginx     proxy_pass to the same upstream, where nginx is installed
 * All but `402` send a credential, so that the bytes on the wire are alike. The unpaid ones have a gateway of their own, so
 * that its thousands of open invoices weigh on nothing else. Prints CPU per request of the proxy's process with its
 * threads, requests/s, how much of one core the proxy had, and the ratios that matter.
 *
 *     npm run bench -- proxy [KIND …]      BENCH_ROUNDS=7 BENCH_SECONDS=2
 */

import { pinning } from './lib/cores.ts'
import { countFrom } from './lib/count-from.ts'
import { invoiceCpuMicros } from './lib/invoice-cost.ts'
import { type LoadResult, startLoad } from './lib/load.ts'
import { buyCredential, startGateway, startNginx, startUpstream } from './lib/peers.ts'
import { processCpuMicros } from './lib/process-cpu.ts'
import { interleaved, median, printTable } from './lib/stats.ts'

interface Kind {
  readonly pid: number
  readonly url: string
  readonly authorization?: string
  readonly expected: 200 | 402
}

interface Measured extends LoadResult {
  /** Of the proxy's process, per request. */
  readonly cpuMicros: number
  /** How much of one core the proxy used. */
  readonly core: number
}

const rounds = countFrom('BENCH_ROUNDS', 7)
const seconds = countFrom('BENCH_SECONDS', 2)
const warmUps = 2
const connections = 64

const upstream = await startUpstream()
const gateway = await startGateway(upstream.url)
const unpaid = await startGateway(upstream.url)
const nginx = await startNginx(upstream.url)
const load = startLoad()

const pass = await buyCredential(gateway, '/pass/x')
const bundle = await buyCredential(gateway, '/bundle/x')
const kinds = new Map<string, Kind>([
  ['free', { pid: gateway.pid, url: `${gateway.url}/free/x`, authorization: pass, expected: 200 }],
  ['pass', { pid: gateway.pid, url: `${gateway.url}/pass/x`, authorization: pass, expected: 200 }],
  ['counted', { pid: gateway.pid, url: `${gateway.url}/bundle/x`, authorization: bundle, expected: 200 }],
  ['402', { pid: unpaid.pid, url: `${unpaid.url}/pass/x`, expected: 402 }],
])
if (nginx === undefined) console.log('SKIPPED nginx: not installed, so there is no ratio to it\n')
else kinds.set('nginx', { pid: nginx.pid, url: `${nginx.url}/x`, authorization: pass, expected: 200 })
if (!pinning) console.log('not pinned to cores (needs taskset and two cores): requests/s say little\n')
const wanted = process.argv.slice(2)
const names = [...kinds.keys()].filter((name) => wanted.length === 0 || wanted.includes(name))

await interleaved(names, warmUps, measure)
const results = await interleaved(names, rounds, measure)
printResults()
if (names.includes('402')) await printInvoiceShare()
await Promise.all([load.stop(), gateway.stop(), unpaid.stop(), nginx?.stop(), upstream.stop()])

async function measure(name: string): Promise<Measured> {
  const kind = kinds.get(name)
  if (kind === undefined) throw new Error(`no kind "${name}"`)
  const startedAt = performance.now()
  const before = processCpuMicros(kind.pid) ?? Number.NaN
  const result = await load.run({ ...kind, connections, seconds })
  const micros = (processCpuMicros(kind.pid) ?? Number.NaN) - before
  const elapsedMicros = (performance.now() - startedAt) * 1000
  return { ...result, cpuMicros: micros / result.requests, core: micros / elapsedMicros }
}

function valuesOf(name: string, key: keyof Measured): number[] {
  return (results.get(name) ?? []).map((result) => result[key])
}

function printResults(): void {
  console.log(
    `${rounds} rounds of ${seconds} s, ${connections} connections, medians; Node ${process.versions.node}\n`,
  )
  printTable(
    ['kind', 'CPU µs/request', 'least', 'most', 'requests/s', 'p50 ms', 'of a core'],
    names.map((name) => {
      const cpu = valuesOf(name, 'cpuMicros')
      const numbers = [median(cpu), Math.min(...cpu), Math.max(...cpu)].map((value) => value.toFixed(1))
      return [
        name,
        ...numbers,
        median(valuesOf(name, 'perSecond')).toFixed(0),
        median(valuesOf(name, 'p50Ms')).toFixed(2),
        `${(median(valuesOf(name, 'core')) * 100).toFixed(0)} %`,
      ]
    }),
  )
  console.log('\nratios: median of the rounds’ own [least – most]')
  printRatio('cpuMicros', 'pass', 'free', 'reach: 1.10 or less')
  printRatio('cpuMicros', 'pass', 'nginx', 'reach: 3.5 or less')
  printRatio('cpuMicros', 'counted', 'pass')
  printRatio('perSecond', 'counted', 'pass', 'reach: 0.50 or more')
  printRatio('cpuMicros', '402', 'pass')
}

function printRatio(key: 'cpuMicros' | 'perSecond', top: string, bottom: string, note = ''): void {
  if (!names.includes(top) || !names.includes(bottom)) return
  const below = valuesOf(bottom, key)
  const ratios = valuesOf(top, key).map((value, i) => value / (below[i] ?? Number.NaN))
  const label = `${key === 'cpuMicros' ? 'CPU' : 'requests/s'} ${top} / ${bottom}`
  const spread = `[${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)}]`
  console.log(
    `  ${label.padEnd(26)} ${median(ratios).toFixed(2).padStart(5)}  ${spread.padEnd(16)} ${note}`.trimEnd(),
  )
}

/** How much of a 402 answer is the node's work on its invoice: that is the sandbox's, not the gate's. */
async function printInvoiceShare(): Promise<void> {
  const invoice = await invoiceCpuMicros()
  const share = (invoice / median(valuesOf('402', 'cpuMicros'))) * 100
  console.log(
    `\nmaking an invoice, alone in this process: ${invoice.toFixed(0)} µs of CPU, ${share.toFixed(0)} % of a 402 answer`,
  )
}
