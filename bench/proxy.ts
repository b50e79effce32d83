/**
 * What the gate costs. One gateway process, four kinds of request, interleaved rounds in random order:
 *   free      the same proxy with the gate off (a free route)
 *   pass      a time pass, its credential cached
 *   counted   one durable reservation and commit per request (SQLite)
 *   402       unpaid requests; a real invoice each (the sandbox's node makes it in the same process)
 *   nginx     proxy_pass to the same upstream, where nginx is installed
 * Prints CPU per request of the proxy's process, requests/s, and the ratios that matter.
 */
import { type LoadResult, runLoad } from './lib/load.ts'
import { buyCredential, startGateway, startNginx, startUpstream } from './lib/peers.ts'
import { processCpuMicros } from './lib/process-cpu.ts'
import { interleaved, median, printTable } from './lib/stats.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 7)
const seconds = Number(process.env['BENCH_SECONDS'] ?? 2)
const connections = 64

const upstream = await startUpstream()
const gateway = await startGateway(upstream.url)
const nginx = await startNginx(upstream.url)
try {
  const pass = await buyCredential(gateway, '/pass/x')
  const bundle = await buyCredential(gateway, '/bundle/x')
  const variants: Record<string, { pid: number; url: string; authorization?: string }> = {
    free: { pid: gateway.pid, url: `${gateway.url}/free/x` },
    // The header is sent here too, so that the bytes on the wire are the same as for the paid ones.
    pass: { pid: gateway.pid, url: `${gateway.url}/pass/x`, authorization: pass },
    counted: { pid: gateway.pid, url: `${gateway.url}/bundle/x`, authorization: bundle },
    '402': { pid: gateway.pid, url: `${gateway.url}/pass/x` },
    ...(nginx === undefined
      ? {}
      : { nginx: { pid: nginx.pid, url: `${nginx.url}/free/x`, authorization: pass } }),
  }
  const free = variants['free']
  if (free !== undefined) free.authorization = pass
  if (nginx === undefined) console.log('SKIPPED nginx: not installed, so no ratio against it\n')

  async function measure(name: string): Promise<LoadResult & { cpuMicros: number }> {
    const variant = variants[name]
    if (variant === undefined) throw new Error(`no variant ${name}`)
    const expected = name === '402' ? 402 : 200
    const before = processCpuMicros(variant.pid)
    const result = await runLoad({ ...variant, connections, seconds, expected })
    const after = processCpuMicros(variant.pid)
    const cpuMicros =
      before === undefined || after === undefined ? Number.NaN : (after - before) / result.requests
    return { ...result, cpuMicros }
  }

  const names = Object.keys(variants)
  for (const name of names) await measure(name) // warm-up
  const results = await interleaved(names, rounds, measure)
  const middle = (name: string, key: 'cpuMicros' | 'perSecond' | 'p50Ms'): number =>
    median((results.get(name) ?? []).map((result) => result[key]))

  console.log(
    `${rounds} rounds of ${seconds} s, ${connections} connections, medians; Node ${process.versions.node}\n`,
  )
  printTable(
    ['variant', 'CPU µs/request', 'requests/s', 'p50 ms'],
    names.map((name) => [
      name,
      middle(name, 'cpuMicros').toFixed(1),
      middle(name, 'perSecond').toFixed(0),
      middle(name, 'p50Ms').toFixed(2),
    ]),
  )
  const perRound = (top: string, bottom: string, key: 'cpuMicros' | 'perSecond'): string =>
    median(
      (results.get(top) ?? []).map(
        (result, i) => result[key] / (results.get(bottom)?.[i]?.[key] ?? Number.NaN),
      ),
    ).toFixed(2)
  console.log('\nratios, median of the rounds’ own:')
  console.log(`  CPU pass / free            ${perRound('pass', 'free', 'cpuMicros')}   (reach: 1.10 or less)`)
  if (nginx !== undefined)
    console.log(
      `  CPU pass / nginx           ${perRound('pass', 'nginx', 'cpuMicros')}   (reach: 3.5 or less)`,
    )
  console.log(`  CPU counted / pass         ${perRound('counted', 'pass', 'cpuMicros')}`)
  console.log(
    `  requests/s counted / pass  ${perRound('counted', 'pass', 'perSecond')}   (reach: 0.50 or more)`,
  )
  console.log(
    `  CPU 402 / pass             ${perRound('402', 'pass', 'cpuMicros')}   (with a Lightning node in the process)`,
  )
} finally {
  await Promise.all([gateway.stop(), nginx?.stop(), upstream.stop()])
}
