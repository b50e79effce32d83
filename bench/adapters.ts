/**
 * CPU time of a request through each adapter, against the same framework's route without it, in the same process and run.
 *
 *     npm run bench -- adapters [seconds] [rounds] [framework]
 *
 * Next's two are `fetch` with other arguments, and Next itself is not to be had in one process; a WebSocket costs what its
 * opening does, which is `node`'s time pass.
 */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AdapterRoutes } from './lib/adapter-process.ts'
import { endChild, spawnChild } from './lib/clean-up.ts'
import { pinned } from './lib/cores.ts'
import { startLoad } from './lib/load.ts'
import { processCpuMicros } from './lib/process-cpu.ts'
import { interleaved, median, printTable } from './lib/stats.ts'

const seconds = Number(process.argv[2] ?? 1)
const rounds = Number(process.argv[3] ?? 5)
const NAMES = ['node', 'express', 'nest', 'fastify', 'koa', 'hono', 'fetch', 'trpc', 'connect', 'grpc']
const names = process.argv[4] === undefined ? NAMES : [process.argv[4]]
const ROUTES = ['bare', 'pass', 'call'] as const
const script = fileURLToPath(new URL('./lib/adapter-process.ts', import.meta.url))

const load = startLoad()
const rows: string[][] = []
try {
  for (const name of names) rows.push(await measure(name))
} finally {
  await load.stop()
}
console.log(
  `CPU µs per request, one process, 16 connections, ${rounds} rounds of ${seconds} s, books in memory; Connect and gRPC: unary calls in gRPC\n`,
)
printTable(['framework', 'bare', 'time pass', 'ratio', 'counted call', 'ratio'], rows)

async function measure(name: string): Promise<string[]> {
  const [command, args] = pinned('proxy', process.execPath, ['--conditions=turnpike:source', script, name])
  const child = spawnChild(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const { stdout, pid } = child
    if (stdout === null || pid === undefined) throw new Error('the server process has no pipes')
    const ended = new AbortController()
    child.once('exit', () => ended.abort())
    const [line] = await once(createInterface({ input: stdout }), 'line', { signal: ended.signal })
    const { protocol, ...routes } = JSON.parse(String(line)) as AdapterRoutes
    const measureRoute = async (route: string): Promise<number> => {
      const before = processCpuMicros(pid) ?? Number.NaN
      const { requests } = await load.run({
        ...routes[route as (typeof ROUTES)[number]],
        protocol,
        connections: protocol === 'grpc' ? 4 : 16,
        streams: 4,
        seconds,
        expected: 200,
      })
      return ((processCpuMicros(pid) ?? Number.NaN) - before) / requests
    }
    for (const route of ROUTES) await measureRoute(route)
    const taken = await interleaved(ROUTES, rounds, measureRoute)
    const [bare = 0, pass = 0, call = 0] = ROUTES.map((route) => median(taken.get(route) ?? []))
    const ratio = (micros: number): string => `${(micros / bare).toFixed(2)} ×`
    return [name, bare.toFixed(1), pass.toFixed(1), ratio(pass), call.toFixed(1), ratio(call)]
  } finally {
    await endChild(child)
  }
}
