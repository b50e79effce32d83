/**
 * What durable counting costs: reservations and commits per second through a ledger, one at a time and with many in
 * flight, against the barest durable write there is in the same store: a loop of one-row INSERT transactions, or of
 * RPUSH under `appendfsync always`. Rounds are interleaved and medians compared, so that a busy machine disturbs all
 * alike. PostgreSQL and Redis are measured where their servers can be started.
 *
 *     node --conditions=turnpike:source bench/ledger.ts
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createClient } from '@redis/client'
import { postgresStore } from '@turnpike/l402/store/postgres'
import { redisStore } from '@turnpike/l402/store/redis'
import { sqliteStore } from '@turnpike/l402/store/sqlite'
import { Client } from 'pg'
import { findPostgres, startPostgres } from '../lab/lib/postgres.ts'
import { hasRedis, startRedis } from '../lab/lib/redis.ts'

const ROUNDS = 7
const ROUND_MS = 500

const row = new Uint8Array(48)

type Ledger = ReturnType<typeof sqliteStore>

interface Round {
  readonly perSecond: number
  /** CPU of the calling thread, in microseconds. */
  readonly cpuPerOp: number
}

const bytes32 = (): Uint8Array => new Uint8Array(randomBytes(32))
const requests = Array.from({ length: 256 }, () => ({
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

/** Measures a ledger beside bare inserts, which say how many were done before `end`. */
async function compare(
  store: string,
  ledger: Ledger,
  inserts: (end: number) => number | Promise<number>,
  insert = 'INSERT',
): Promise<void> {
  const candidates = [
    { name: `${store}: bare ${insert}, 1 at a time`, work: inserts },
    ...[1, 16, 64, 256].map((count) => ({
      name: `${store}: ledger, ${count} in flight`,
      work: (end: number) => loops(ledger, count, end),
    })),
  ].map((candidate) => ({ ...candidate, rounds: [] as Round[] }))
  await ledger.ping()
  for (let round = -1; round < ROUNDS; round++) {
    for (const { work, rounds } of candidates) {
      const result = await measure(work)
      if (round >= 0) rounds.push(result) // the first warms up
    }
  }
  const base = median(candidates[0]?.rounds.map(({ perSecond }) => perSecond) ?? [])
  for (const { name, rounds } of candidates) {
    const perSecond = median(rounds.map((round) => round.perSecond))
    const cpu = median(rounds.map((round) => round.cpuPerOp))
    console.log(
      `${name.padEnd(36)} ${Math.round(perSecond).toString().padStart(8)} /s`,
      `${(perSecond / base).toFixed(2).padStart(7)} × bare`,
      `${cpu.toFixed(2).padStart(7)} µs CPU per op on the calling thread`,
    )
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

async function sqlite(): Promise<void> {
  // Beside this file, not in the system's temporary folder: that one may be in memory, where nothing costs anything.
  const folder = mkdtempSync(join(import.meta.dirname, '.ledger-'))
  const ledger = sqliteStore({ file: join(folder, 'ledger.db') })
  const bare = new DatabaseSync(join(folder, 'bare.db'))
  bare.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows(id INTEGER PRIMARY KEY, data BLOB)',
  )
  const insert = bare.prepare('INSERT INTO rows(data) VALUES (?)')
  try {
    await compare('SQLite', ledger, (end) => {
      let ops = 0
      for (; performance.now() < end; ops++) insert.run(row)
      return ops
    })
  } finally {
    await ledger.close()
    bare.close()
    rmSync(folder, { recursive: true })
  }
}

async function postgres(): Promise<void> {
  const programs = findPostgres()
  if (programs === undefined) return console.log('PostgreSQL: SKIPPED, it is not installed')
  const server = await startPostgres(programs)
  try {
    const url = server.url()
    const ledger = await postgresStore({ url })
    const bare = new Client({ connectionString: url })
    await bare.connect()
    await bare.query('CREATE SCHEMA bare; CREATE TABLE bare.rows(id bigserial PRIMARY KEY, data bytea)')
    const insert = {
      name: 'insert',
      text: 'INSERT INTO bare.rows(data) VALUES ($1)',
      values: [Buffer.from(row)],
    }
    await compare('PostgreSQL', ledger, async (end) => {
      let ops = 0
      for (; performance.now() < end; ops++) await bare.query(insert)
      return ops
    })
    await bare.end()
    await ledger.close()
  } finally {
    server.remove()
  }
}

async function redis(): Promise<void> {
  if (!hasRedis) return console.log('Redis: SKIPPED, it is not installed')
  const server = await startRedis([], import.meta.dirname)
  try {
    const ledger = await redisStore({ url: server.url })
    const bare = createClient({ url: server.url })
    await bare.connect()
    const data = Buffer.from(row).toString('latin1')
    const work = async (end: number): Promise<number> => {
      let ops = 0
      for (; performance.now() < end; ops++) await bare.rPush('bare', data)
      return ops
    }
    await compare('Redis', ledger, work, 'RPUSH')
    await bare.close()
    await ledger.close()
  } finally {
    await server.stop()
  }
}

console.log('operations (one reserve or one commit, durable) · medians of', ROUNDS, 'interleaved rounds')
await sqlite()
await postgres()
await redis()
