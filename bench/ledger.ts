/**
 * What durable counting costs: reservations and commits per second through the SQLite ledger (and through the Redis
 * one, `appendfsync always`, where `redis-server` is installed), one at a time and with 64 in flight, against the barest
 * durable write there is: a loop of one-row INSERT transactions. Rounds are interleaved and medians compared, so that a
 * busy machine disturbs all alike.
 *
 *     node --conditions=turnpike:source bench/ledger.ts
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { redisStore } from '@turnpike/l402/store/redis'
import { sqliteStore } from '@turnpike/l402/store/sqlite'
import { hasRedis, startRedis } from '../lab/lib/redis.ts'

type Ledger = ReturnType<typeof sqliteStore>

const ROUNDS = 7
const ROUND_MS = 500

// Beside this file, not in the system's temporary folder: that one may be in memory, where nothing costs anything.
const folder = mkdtempSync(join(import.meta.dirname, '.ledger-'))
const ledger = sqliteStore({ file: join(folder, 'ledger.db') })
const server = hasRedis ? await startRedis([], folder) : undefined
const redis = server === undefined ? undefined : await redisStore({ url: server.url })
const bare = new DatabaseSync(join(folder, 'bare.db'))
bare.exec(
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows(id INTEGER PRIMARY KEY, data BLOB)',
)
const insert = bare.prepare('INSERT INTO rows(data) VALUES (?)')
const row = new Uint8Array(48)

interface Round {
  readonly perSecond: number
  /** CPU of the calling thread, in microseconds. */
  readonly cpuPerOp: number
}

const bytes32 = (): Uint8Array => new Uint8Array(randomBytes(32))
const requests = Array.from({ length: 64 }, () => ({
  redemption: { paymentHash: bytes32(), tokenId: bytes32(), service: 'bench' },
  uses: [{ key: bytes32(), limit: 2n ** 62n, amount: 1n }],
}))

async function measure(work: (end: number) => number | Promise<number>): Promise<Round> {
  const cpu = process.threadCpuUsage()
  const start = performance.now()
  const ops = await work(start + ROUND_MS)
  const elapsed = performance.now() - start
  const { user, system } = process.threadCpuUsage(cpu)
  return { perSecond: (ops / elapsed) * 1000, cpuPerOp: (user + system) / ops }
}

function inserts(end: number): number {
  let ops = 0
  for (; performance.now() < end; ops++) insert.run(row)
  return ops
}

/** Each loop reserves, then commits: two operations. */
async function loops(ledger: Ledger, count: number, end: number): Promise<number> {
  let ops = 0
  const one = async (request: (typeof requests)[number]): Promise<void> => {
    while (performance.now() < end) {
      const outcome = await ledger.reserve(request)
      if (!outcome.ok) throw new Error('the bench has run out of room')
      await ledger.commit(outcome.id)
      ops += 2
    }
  }
  await Promise.all(requests.slice(0, count).map(one))
  return ops
}

const candidates = [
  { name: 'bare INSERT, 1 at a time', work: inserts },
  { name: 'SQLite, 1 in flight', work: (end: number) => loops(ledger, 1, end) },
  { name: 'SQLite, 64 in flight', work: (end: number) => loops(ledger, 64, end) },
  ...(redis === undefined
    ? []
    : [
        { name: 'Redis, 1 in flight', work: (end: number) => loops(redis, 1, end) },
        { name: 'Redis, 64 in flight', work: (end: number) => loops(redis, 64, end) },
      ]),
].map((candidate) => ({ ...candidate, rounds: [] as Round[] }))

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

try {
  await ledger.ping()
  for (let round = -1; round < ROUNDS; round++) {
    for (const { work, rounds } of candidates) {
      const result = await measure(work)
      if (round >= 0) rounds.push(result) // the first warms up
    }
  }
  const base = median(candidates[0]?.rounds.map(({ perSecond }) => perSecond) ?? [])
  console.log('operations (one reserve or one commit, durable) · medians of', ROUNDS, 'interleaved rounds')
  for (const { name, rounds } of candidates) {
    const perSecond = median(rounds.map((round) => round.perSecond))
    const cpu = median(rounds.map((round) => round.cpuPerOp))
    console.log(
      `${name.padEnd(26)} ${Math.round(perSecond).toString().padStart(8)} /s`,
      `${(perSecond / base).toFixed(2).padStart(7)} × bare`,
      `${cpu.toFixed(2).padStart(7)} µs CPU per op on the calling thread`,
    )
  }
} finally {
  await ledger.close()
  await redis?.close()
  await server?.stop()
  bare.close()
  rmSync(folder, { recursive: true })
}
