/**
 * What the gate costs, in sections (`bench/proxy/`), each with kinds of request in interleaved rounds in random order:
 *   h1        free, pass, counted and unpaid requests, beside nginx and Caddy
 *   h2        the same over HTTP/2
 *   grpc      unary calls between grpc-js clients and a grpc-js server
 *   bodies    answers of 64 KiB and 1 MiB
 *   workers   two processes against one
 *   streams   memory of idle SSE streams
 * Prints CPU per request of the proxy's process with its threads, requests/s, how much of one core the proxy had, and the
 * ratios that matter.
 *
 *     npm run bench -- proxy [SECTION|KIND …]
 *     BENCH_ROUNDS=5 BENCH_SECONDS=0.6 BENCH_STREAMS=10000 BENCH_STREAM_ROUNDS=2 BENCH_BESIDE=../other
 */
import { pinning } from './lib/cores.ts'
import { countFrom } from './lib/count-from.ts'
import { bodies } from './proxy/bodies.ts'
import { grpc } from './proxy/grpc.ts'
import { h1 } from './proxy/h1.ts'
import { h2 } from './proxy/h2.ts'
import { startStage } from './proxy/stage.ts'
import { streams } from './proxy/streams.ts'
import { workers } from './proxy/workers.ts'

const sections = [h1, h2, grpc, bodies, workers, streams]
const words = process.argv.slice(2)
const unknown = words.filter(
  (word) => !sections.some(({ name, kinds }) => name === word || kinds.includes(word)),
)
if (unknown.length > 0) {
  console.error(`no section or kind ${unknown.map((word) => `"${word}"`).join(', ')}; there are:`)
  for (const { name, kinds } of sections) console.error(`  ${name.padEnd(9)} ${kinds.join(', ')}`)
  process.exit(64)
}
const all = words.length === 0
const wanted = new Set(
  sections.flatMap(({ name, kinds }) =>
    kinds.filter((kind) => all || words.includes(name) || words.includes(kind)),
  ),
)

const plan = { rounds: countFrom('BENCH_ROUNDS', 5), seconds: countFrom('BENCH_SECONDS', 0.6), warmUps: 1 }
const stage = await startStage(plan, (kind) => wanted.has(kind))
if (!pinning) console.log('not pinned to cores (needs taskset and two cores): requests/s say little')
console.log(`${plan.rounds} rounds of ${plan.seconds} s, medians; Node ${process.versions.node}`)
for (const section of sections) if (section.kinds.some((kind) => wanted.has(kind))) await section.run(stage)
await stage.stop()
