/** CPU time of a request through each adapter, against the same framework's route without it, in the same process and run. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endChild, spawnChild } from './lib/clean-up.ts'
import { pinned } from './lib/cores.ts'
import { startLoad } from './lib/load.ts'
import { processCpuMicros } from './lib/process-cpu.ts'
import { interleaved, median, printTable } from './lib/stats.ts'

const seconds = Number(process.argv[2] ?? 1)
const rounds = Number(process.argv[3] ?? 5)
const ROUTES = ['bare', 'pass', 'call'] as const
const script = fileURLToPath(new URL('./lib/adapter-process.ts', import.meta.url))

const load = startLoad()
const rows: string[][] = []
try {
  for (const name of ['node', 'express', 'fastify', 'koa', 'hono', 'fetch']) rows.push(await measure(name))
} finally {
  await load.stop()
}
console.log(
  `CPU µs per request, one process, 16 connections, ${rounds} rounds of ${seconds} s, books in memory\n`,
)
printTable(['framework', 'bare', 'time pass', 'ratio', 'counted call', 'ratio'], rows)

async function measure(name: string): Promise<string[]> {
  const [command, args] = pinned('proxy', process.execPath, ['--conditions=turnpike:source', script, name])
  const child = spawnChild(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const { stdout, pid } = child
    if (stdout === null || pid === undefined) throw new Error('the server process has no pipes')
    const [line] = await once(createInterface({ input: stdout }), 'line')
    const { port, ...credentials } = JSON.parse(String(line)) as { port: number; pass: string; call: string }
    const measureRoute = async (route: string): Promise<number> => {
      const authorization = route === 'bare' ? undefined : credentials[route as 'pass' | 'call']
      const before = processCpuMicros(pid) ?? Number.NaN
      const { requests } = await load.run({
        url: `http://127.0.0.1:${port}/${route}`,
        ...(authorization === undefined ? {} : { authorization }),
        connections: 16,
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
