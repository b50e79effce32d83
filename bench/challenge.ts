/**
 * What unpaid requests come to with a real lnd. Kinds, in interleaved rounds in random order:
 *   AddInvoice   lnd's own REST call, over the same number of kept connections, without a gateway
 *   402          a gateway's challenges, an invoice each
 *   402 reused   the same with `challenges.reuse`: one client gets its open invoice again
 * Prints 402s (or invoices) per second, p50 and p99, and how far the gateway is from lnd's own rate. The gateway and lnd
 * share the machine, as they often do.
 *
 *     npm run bench -- challenge [KIND …]      BENCH_ROUNDS=5 BENCH_SECONDS=3 BENCH_CONNECTIONS=32 TURNPIKE_LAB=../shared/lab
 */

import { startAddInvoice } from './lib/add-invoice.ts'
import { countFrom } from './lib/count-from.ts'
import { lndBackend, needLab, startNetwork } from './lib/lab.ts'
import { type LoadResult, startLoad } from './lib/load.ts'
import { startGateway, startUpstream } from './lib/peers.ts'
import { interleaved, median, printTable } from './lib/stats.ts'

needLab('a real lnd node')
const rounds = countFrom('BENCH_ROUNDS', 5)
const seconds = countFrom('BENCH_SECONDS', 3)
const connections = countFrom('BENCH_CONNECTIONS', 32)

const network = await startNetwork()
const { rest, tls, invoiceMacaroon } = network.nodes.seller
const upstream = await startUpstream()
const lightning = lndBackend(network.nodes.seller)
const gateway = (challenges: string) => startGateway(upstream.url, { lightning, challenges })
const each = await gateway('{ limit: off, global: off, reuse: false, breaker: { concurrent: 1000 } }')
const reused = await gateway('{ limit: off, global: off, reuse: true, breaker: { concurrent: 1000 } }')
const load = startLoad()
const node = startAddInvoice({ rest, tls, macaroonFile: invoiceMacaroon })

const unpaid = (url: string) => () =>
  load.run({ url: `${url}/pass/x`, expected: 402, connections, seconds, timed: 1 })
const kinds = new Map<string, () => Promise<LoadResult>>([
  ['AddInvoice', () => node.run({ connections, seconds })],
  ['402', unpaid(each.url)],
  ['402 reused', unpaid(reused.url)],
])
const wanted = process.argv.slice(2)
const names = [...kinds.keys()].filter((name) => wanted.length === 0 || wanted.includes(name))
const measure = async (name: string): Promise<LoadResult> => {
  const run = kinds.get(name)
  if (run === undefined) throw new Error(`no kind "${name}"`)
  return await run()
}

await interleaved(names, 1, measure)
const results = await interleaved(names, rounds, measure)
const of = (name: string, key: keyof LoadResult): number[] =>
  (results.get(name) ?? []).map((result) => result[key])

console.log(
  `${rounds} rounds of ${seconds} s, ${connections} connections, medians; Node ${process.versions.node}\n`,
)
printTable(
  ['kind', 'per second', 'least', 'most', 'p50 ms', 'p99 ms'],
  names.map((name) => {
    const rate = of(name, 'perSecond')
    const numbers = [median(rate), Math.min(...rate), Math.max(...rate)].map((value) => value.toFixed(0))
    return [name, ...numbers, median(of(name, 'p50Ms')).toFixed(1), median(of(name, 'p99Ms')).toFixed(1)]
  }),
)
const own = of('AddInvoice', 'perSecond')
for (const name of names.filter((one) => one !== 'AddInvoice' && own.length > 0)) {
  const ratios = of(name, 'perSecond').map((rate, i) => rate / (own[i] ?? Number.NaN))
  const spread = `[${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)}]`
  console.log(`\n${name} / AddInvoice  ${median(ratios).toFixed(2)}  ${spread}`)
}
await Promise.all([load.stop(), each.stop(), reused.stop(), upstream.stop()])
node.stop()
await network.close()
