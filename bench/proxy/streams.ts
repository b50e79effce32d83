/**
 * Memory per idle stream (SSE over HTTP/1.1, one event, then silence): how much the proxy's resident memory grew with so many
 * open streams, by their number. Each round has processes of its own, as memory that was once taken is not given back.
 */
import { countFrom } from '../lib/count-from.ts'
import { startCaddy, startNginx } from '../lib/fronts.ts'
import { openFilesLimit, openStreams } from '../lib/idle-streams.ts'
import type { Peer } from '../lib/peer.ts'
import { buyCredential, startGateway } from '../lib/peers.ts'
import { residentBytes } from '../lib/process-memory.ts'
import { printRatio } from '../lib/section.ts'
import { interleaved, median, printTable } from '../lib/stats.ts'
import type { ProxySection, Stage } from './stage.ts'

/** Each stream is two sockets of the proxy; this many more files it may have open. */
const OTHER_FILES = 200
const SETTLE_MS = 1_000

export const streams: ProxySection = {
  name: 'streams',
  kinds: ['sse-free', 'sse-pass', 'sse-nginx', 'sse-caddy'],
  async run(stage) {
    const wanted = countFrom('BENCH_STREAMS', 10_000)
    const count = Math.min(wanted, Math.floor((openFilesLimit() - OTHER_FILES) / 2))
    const rounds = countFrom('BENCH_STREAM_ROUNDS', 2)
    const { upstream } = stage
    const front = (start: typeof startNginx) => async () => {
      const peer = await start({ h1: upstream.url })
      return peer && { peer, path: '/sse', authorization: stage.pass }
    }
    const gateway = (path: string) => async () => {
      const peer = await startGateway(upstream.url)
      return { peer, path, authorization: await buyCredential(peer, '/pass/x') }
    }
    const kinds = new Map<string, () => Promise<Subject | undefined>>([
      ['sse-free', gateway('/free/sse')],
      ['sse-pass', gateway('/pass/sse')],
      ['sse-nginx', front(startNginx)],
      ['sse-caddy', front(startCaddy)],
    ])
    const missing = { 'sse-nginx': stage.nginx === undefined, 'sse-caddy': stage.caddy === undefined }
    const names = [...kinds.keys()].filter(
      (name) => stage.wants(name) && !(name in missing && missing[name as keyof typeof missing]),
    )
    const results = await interleaved(names, rounds, async (name) => {
      const subject = await kinds.get(name)?.()
      if (subject === undefined) throw new Error(`no kind "${name}"`)
      return await bytesPerStream(subject, { stage, count })
    })
    console.log(`\n## ${count} idle SSE streams, HTTP/1.1, ${rounds} rounds\n`)
    if (count < wanted)
      console.log(
        `${wanted} would need ${2 * wanted + OTHER_FILES} open files in one process; \`ulimit -Hn\` says ${openFilesLimit()}\n`,
      )
    printTable(
      ['kind', 'KiB/stream', 'least', 'most'],
      names.map((name) => {
        const bytes = results.get(name) ?? []
        const numbers = [median(bytes), Math.min(...bytes), Math.max(...bytes)]
        return [name, ...numbers.map((value) => (value / 1024).toFixed(1))]
      }),
    )
    console.log('\nratios: median of the rounds’ own [least – most]')
    for (const bottom of ['sse-free', 'sse-nginx', 'sse-caddy']) {
      const [above, below] = [results.get('sse-pass'), results.get(bottom)]
      if (above === undefined || below === undefined) continue
      printRatio(
        `memory sse-pass / ${bottom}`,
        above.map((bytes, i) => bytes / (below[i] ?? Number.NaN)),
      )
    }
  },
}

/** A proxy of its own, and the stream to open through it. */
interface Subject {
  readonly peer: Peer
  readonly path: string
  readonly authorization: string
}

async function bytesPerStream(
  { peer, path, authorization }: Subject,
  { stage, count }: { readonly stage: Stage; readonly count: number },
): Promise<number> {
  try {
    // Its code and buffers are not the streams' cost.
    const warm = path.replace(/sse$/, 'x')
    await stage.load.run({ url: peer.url + warm, authorization, connections: 64, expected: 200, seconds: 1 })
    await settled()
    const before = residentBytes(peer.pid)
    const opened = await openStreams({ url: peer.url + path, authorization, count })
    await settled()
    const grown = residentBytes(peer.pid) - before
    await opened.stop()
    return grown / count
  } finally {
    await peer.stop()
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
