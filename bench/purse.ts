/**
 * What the purse costs, in one run.
 *   payingFetch   a request with a cached token over plain `fetch` of the same URL, same server (CPU of this process)
 *   fare get      start to first byte over `node -e 0` start to end (wall clock)
 *   memory        resident memory of `fare get` while 1 GiB streams through it
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  encodeBase64,
  encodeIdentifier,
  encodeMacaroon,
  formatCredential,
  mintMacaroon,
} from '@turnpike/l402'
import { payingFetch } from '@turnpike/l402/client'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryPurse } from '@turnpike/l402/purse/memory'
import { until } from './lib/peer.ts'
import { residentBytes } from './lib/process-memory.ts'
import { printRatio } from './lib/section.ts'
import { interleaved, median, printTable } from './lib/stats.ts'

const FARE = fileURLToPath(new URL('../packages/fare/bin/fare.js', import.meta.url))
const SERVER = fileURLToPath(new URL('./lib/purse-server-process.ts', import.meta.url))
const MiB = 1024 * 1024
/** Requests in a round of the cached token. */
const REQUESTS = 250

const server = spawn(process.execPath, ['--conditions=turnpike:source', SERVER], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
const home = mkdtempSync(join(tmpdir(), 'purse-bench-'))
const [origin] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string]
const url = origin.trim()
try {
  await benchFetch()
  await benchStart()
  await benchMemory()
} finally {
  server.kill()
  rmSync(home, { recursive: true, force: true })
}

/** A cached token: no payment is made in what is measured. */
async function benchFetch(): Promise<void> {
  const purse = memoryPurse()
  const lightning = memoryLightning()
  const paying = payingFetch({ wallet: lightning, purse, fetch: globalThis.fetch })
  const { invoice, paymentHash } = await lightning.createInvoice({
    amountMsat: 1_000n,
    memo: 'bench',
    expirySeconds: 3600,
  })
  const macaroon = encodeBase64(
    encodeMacaroon(
      mintMacaroon({
        rootKey: paymentHash,
        identifier: encodeIdentifier({ paymentHash, tokenId: paymentHash }),
        caveats: ['services=bench:0', 'bench_valid_until=4102444800'],
      }),
    ),
  )
  await fetch(`${url}/sell`, { method: 'POST', body: `L402 macaroon="${macaroon}", invoice="${invoice}"` })
  if ((await (await paying(`${url}/paid`)).text()) !== 'sunny') throw new Error('it was not bought')
  const [credential] = await purse.credentials()
  if (!credential) throw new Error('there is no token')
  const headers = { authorization: formatCredential(credential.macaroon, credential.preimage) }
  const kinds: Record<string, () => Promise<Response>> = {
    fetch: () => fetch(`${url}/paid`, { headers }),
    payingFetch: () => paying(`${url}/paid`),
  }
  const round = async (name: string): Promise<number> => {
    const ask = kinds[name]
    const before = process.cpuUsage()
    for (let i = 0; i < REQUESTS; i++) await (await ask?.())?.text()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / REQUESTS
  }
  await interleaved(Object.keys(kinds), 8, round)
  // Short rounds and many: the two stand close, and each pair of rounds sees the same machine.
  const results = await interleaved(Object.keys(kinds), 61, round)
  console.log('## a request with a cached token\n')
  print('CPU µs/request', results)
  printRatio('CPU payingFetch / fetch', ratios(results, 'payingFetch', 'fetch'), 'reach: ≤ 1.10')
}

async function benchStart(): Promise<void> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, FARE_HOME: home }
  const timed = async (args: readonly string[], end: 'data' | 'close'): Promise<number> => {
    const startedAt = performance.now()
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    await (end === 'data' ? once(child.stdout, 'data') : closed)
    const ms = performance.now() - startedAt
    await closed
    return ms
  }
  const kinds: Record<string, () => Promise<number>> = {
    'node -e 0': () => timed(['-e', '0'], 'close'),
    'fare get': () => timed([FARE, 'get', '--sandbox', `${url}/free`], 'data'),
  }
  const round = async (name: string): Promise<number> => (await kinds[name]?.()) ?? Number.NaN
  await interleaved(Object.keys(kinds), 2, round)
  const results = await interleaved(Object.keys(kinds), 21, round)
  console.log('\n## from the command line to the first byte\n')
  print('ms', results)
  printRatio('fare get / node -e 0', ratios(results, 'fare get', 'node -e 0'), 'reach: ≤ 3')
}

async function benchMemory(): Promise<void> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, FARE_HOME: home }
  const child = spawn(process.execPath, [FARE, 'get', '--sandbox', `${url}/gigabyte`], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let bytes = 0
  const samples: { readonly at: number; readonly resident: number }[] = []
  child.stdout.on('data', (chunk: Buffer) => {
    const quarter = Math.floor(bytes / (16 * MiB))
    bytes += chunk.length
    if (Math.floor(bytes / (16 * MiB)) > quarter && child.pid !== undefined)
      samples.push({ at: bytes, resident: residentBytes(child.pid) })
  })
  await once(child, 'close')
  await until('the whole body', () => (bytes === 1024 * MiB ? true : undefined))
  const part = (from: number, to: number): number =>
    median(samples.filter(({ at }) => at > from * MiB && at <= to * MiB).map(({ resident }) => resident)) /
    MiB
  console.log('\n## memory while 1 GiB streams through fare get\n')
  printTable(
    ['after', 'resident MiB'],
    [
      ['first 256 MiB', part(0, 256).toFixed(0)],
      ['second', part(256, 512).toFixed(0)],
      ['third', part(512, 768).toFixed(0)],
      ['last', part(768, 1024).toFixed(0)],
    ],
  )
  printRatio('last quarter / first', [part(768, 1024) / part(0, 256)], 'reach: flat')
}

function print(unit: string, results: ReadonlyMap<string, readonly number[]>): void {
  printTable(
    ['kind', unit, 'least', 'most'],
    [...results].map(([name, values]) => [
      name,
      ...[median(values), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(1)),
    ]),
  )
}

function ratios(results: ReadonlyMap<string, readonly number[]>, top: string, bottom: string): number[] {
  const below = results.get(bottom) ?? []
  return (results.get(top) ?? []).map((value, i) => value / (below[i] ?? Number.NaN))
}
