/**
 * Paid requests through the gateway against a real Aperture, both on the same lnd node and in front of the same upstream,
 * each with its books in SQLite. Kinds, in interleaved rounds in random order:
 *   pass            the gateway, with a time pass, its credential cached
 *   aperture        Aperture, with a credential of its own
 *   free, aperture-free   the same proxies on a route without a price
 * Prints CPU per request of the proxy's process with its threads, requests/s, and the ratios.
 *
 *     npm run bench -- aperture [KIND …]      BENCH_ROUNDS=5 BENCH_SECONDS=2 TURNPIKE_LAB=../shared/lab
 */
import { formatCredential } from '@turnpike/l402'
import { startAperture } from './lib/aperture-peer.ts'
import { countFrom } from './lib/count-from.ts'
import { lab, lndBackend, needLab, startNetwork } from './lib/lab.ts'
import { startLoad } from './lib/load.ts'
import type { Peer } from './lib/peer.ts'
import { challengeOf, startGateway, startUpstream } from './lib/peers.ts'
import { type Kind, runSection } from './lib/section.ts'

needLab('a real Aperture')
const network = await startNetwork()
const { seller } = network.nodes
const upstream = await startUpstream()
const gateway = await startGateway(upstream.url, { lightning: lndBackend(seller) })
const aperture = await startAperture(lab, { node: seller, upstream: upstream.url })
const load = startLoad()

const kinds = new Map<string, Kind>([
  ['pass', await paid(gateway)],
  ['aperture', await paid(aperture)],
  ['free', free(gateway)],
  ['aperture-free', free(aperture)],
])
const wanted = process.argv.slice(2)
const plan = {
  load,
  rounds: countFrom('BENCH_ROUNDS', 5),
  seconds: countFrom('BENCH_SECONDS', 2),
  warmUps: 1,
}
console.log(`${plan.rounds} rounds of ${plan.seconds} s, medians; Node ${process.versions.node}`)
await runSection(
  {
    title: 'paid requests, HTTP/1.1, 64 connections',
    kinds: new Map([...kinds].filter(([name]) => wanted.length === 0 || wanted.includes(name))),
    ratios: [
      { key: 'cpuMicros', top: 'pass', bottom: 'aperture', note: 'reach: 0.33 or less' },
      { key: 'perSecond', top: 'pass', bottom: 'aperture' },
      { key: 'cpuMicros', top: 'pass', bottom: 'free' },
      { key: 'cpuMicros', top: 'aperture', bottom: 'aperture-free' },
    ],
  },
  plan,
)
await Promise.all([load.stop(), gateway.stop(), aperture.stop(), upstream.stop()])
await network.close()

/** Buys what the seller has on `/pass/…`, paid by the other node. */
async function paid(peer: Peer): Promise<Kind> {
  const { macaroon, invoice } = await challengeOf(peer, '/pass/x')
  const { preimage } = await network.pay('buyer', invoice)
  const authorization = formatCredential(macaroon, Buffer.from(preimage, 'hex'))
  return { pid: peer.pid, url: `${peer.url}/pass/x`, authorization, connections: 64, expected: 200 }
}

function free(peer: Peer): Kind {
  return { pid: peer.pid, url: `${peer.url}/free/x`, connections: 64, expected: 200 }
}
