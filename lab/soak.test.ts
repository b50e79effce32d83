/**
 * Mixed traffic for minutes over reloads and upstream restarts: `npm run lab -- soak --minutes 10`. A minute where nothing is
 * said. What fails must be explained by a fault, and what the gateway holds must not grow.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ask, until } from '../packages/gateway/test/e2e/client.ts'
import { buy, cleanUp, type Program } from '../packages/gateway/test/e2e/program.ts'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'
import { numberOf } from './lib/flags.ts'
import { openSockets, residentBytes, slopeOf } from './lib/process-facts.ts'
import { seededRandom } from './lib/random.ts'
import { openShop } from './lib/shop.ts'

const minutes = numberOf('LAB_MINUTES', 1)
const random = seededRandom(numberOf('LAB_SEED', 1))
const FAULT_EVERY_MS = 5_000
/** Requests that were under way when an upstream went, and those that find it gone, may fail; hardly longer than it is away. */
const SETTLED_MS = 1_000

let upstream: Upstream
let gateway: Program
const downs: { from: number; to: number }[] = []

beforeAll(async () => {
  upstream = await startAgain(0)
  gateway = await openShop(upstream.origin, {
    routes: [
      '{ match: "/metered/*", price: 100 sat, grants: { credit: 100000 sat }, charge: { responseBytes: 1 msat/10, estimate: 1 sat } }',
    ],
  })
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
})

function startAgain(port: number): Promise<Upstream> {
  return startUpstream((req, res) => {
    req.on('end', () => {
      if (req.url?.includes('events') !== true) return void res.end('ok')
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      let left = 5
      const timer = setInterval(() => {
        res.write(`data: ${left}\n\n`)
        if (--left > 0) return
        clearInterval(timer)
        res.end()
      }, 20)
      res.once('close', () => clearInterval(timer))
    })
  }, port)
}

interface Outcome {
  readonly kind: string
  readonly from: number
  readonly to: number
  /** Empty: as it must be. */
  readonly wrong: string
}

const explained = ({ from, to }: Outcome): boolean =>
  downs.some((down) => from <= down.to + SETTLED_MS && to >= down.from)

it(
  `${minutes} min of mixed traffic: every failure is explained, memory is flat, no socket is left`,
  async () => {
    const endsAt = performance.now() + minutes * 60_000
    const counts = new Map<string, number>()
    const wrongs: Outcome[] = []
    let explainedFailures = 0
    const note = (outcome: Outcome): void => {
      counts.set(outcome.kind, (counts.get(outcome.kind) ?? 0) + 1)
      if (outcome.wrong === '') return
      wrongs.push(outcome)
    }
    const attempt = async (kind: string, expected: number, send: () => Promise<number>): Promise<void> => {
      const from = performance.now()
      const got = await send().catch((error: unknown) => (error instanceof Error ? error.message : 'failed'))
      note({
        kind,
        from,
        to: performance.now(),
        wrong: got === expected ? '' : `${kind}: ${got}, not ${expected}`,
      })
    }
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const bought = {
      pass: (await buy(gateway, '/pass/x')).authorization,
      bundle: (await buy(gateway, '/paid/x')).authorization,
      credit: (await buy(gateway, '/metered/x')).authorization,
    }
    const get = async (path: string, authorization?: string): Promise<number> =>
      (
        await ask(gateway.url, 'GET', path, {
          agent,
          headers: authorization === undefined ? {} : { Authorization: authorization },
        })
      ).status
    let session: ClientHttp2Session | undefined
    const h2 = (path: string, authorization: string): Promise<number> => {
      if (session === undefined || session.closed || session.destroyed) {
        session = connect(gateway.url)
        session.on('error', () => {})
      }
      const stream = session.request({ ':path': path, authorization })
      return new Promise((resolve, reject) => {
        let status = 0
        stream.on('response', (lines) => {
          status = Number(lines[':status'])
        })
        stream.on('error', reject)
        stream.resume().on('close', () => resolve(stream.rstCode === 0 ? status : 0))
      })
    }
    const kinds: readonly (() => Promise<void>)[] = [
      () => attempt('pass', 200, () => get('/pass/x', bought.pass)),
      () => attempt('bundle', 200, () => get('/paid/x', bought.bundle)),
      () => attempt('metered events', 200, () => get('/metered/events', bought.credit)),
      () => attempt('unpaid', 402, () => get('/paid/x')),
      () => attempt('HTTP/2 pass', 200, () => h2('/pass/x', bought.pass)),
      () => attempt('HTTP/2 events', 200, () => h2('/pass/events', bought.pass)),
    ]
    const client = async (): Promise<void> => {
      while (performance.now() < endsAt) {
        await random.pick(kinds)()
        await pause(random.below(20))
      }
    }
    let reloads = 0
    const faults = async (): Promise<void> => {
      const file = join(gateway.folder, 'turnpike.yaml')
      expect(existsSync(file)).toBe(true)
      const plain = readFileSync(file, 'utf8')
      while (performance.now() + 2 * FAULT_EVERY_MS < endsAt) {
        await pause(FAULT_EVERY_MS)
        if (random.oneIn(3)) {
          const down = { from: performance.now(), to: Number.POSITIVE_INFINITY }
          downs.push(down)
          const { port } = upstream
          await upstream.close()
          await pause(random.below(300))
          upstream = await startAgain(port)
          down.to = performance.now()
        } else {
          reloads++
          const extra = `      - { match: "/extra${reloads}/*", price: ${reloads} sat }\n`
          writeFileSync(file, plain.replace('    routes:\n', `    routes:\n${extra}`))
          gateway.signal('SIGHUP')
          // In force when it asks what the new file says.
          await until(
            async () => (await get(`/extra${reloads}/x`)) === 402,
            'the new route is in force',
            60_000,
          )
        }
        upstream.forget()
      }
    }
    const memory: [minute: number, bytes: number][] = []
    const watch = async (): Promise<void> => {
      const startedAt = performance.now()
      while (performance.now() < endsAt) {
        memory.push([(performance.now() - startedAt) / 60_000, residentBytes(gateway.pid)])
        await pause(500)
      }
    }
    const idle = openSockets(gateway.pid)
    await Promise.all([...Array.from({ length: 12 }, client), faults(), watch()])
    agent.destroy()
    session?.destroy()
    explainedFailures = wrongs.filter(explained).length
    // The first third is for warming up.
    const warm = memory.slice(Math.floor(memory.length / 3))
    const slope = slopeOf(warm) / 2 ** 20
    console.log(
      [...counts].map(([kind, count]) => `${kind} ${count}`).join(', '),
      `\n${downs.length} upstream restarts, ${reloads} reloads; ${explainedFailures} failures explained by them`,
      `\nmemory ${((warm.at(-1)?.[1] ?? 0) / 2 ** 20).toFixed(0)} MiB, ${slope.toFixed(2)} MiB/min after warm-up`,
    )
    expect(wrongs.filter((outcome) => !explained(outcome))).toEqual([])
    for (const kind of ['pass', 'bundle', 'metered events', 'unpaid', 'HTTP/2 pass', 'HTTP/2 events'])
      expect(counts.get(kind) ?? 0, kind).toBeGreaterThan(0)
    expect(reloads + downs.length).toBeGreaterThan(0)
    // Over a few minutes the collector decides; over ten a leak of anything per request would show.
    if (minutes >= 5) expect(slope).toBeLessThan(4)
    // What stays: the connections to the upstream that are kept for the next request.
    await expect.poll(() => openSockets(gateway.pid), { timeout: 90_000 }).toBeLessThanOrEqual(idle + 16)
  },
  minutes * 60_000 + 300_000,
)
