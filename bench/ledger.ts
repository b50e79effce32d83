/**
 * What durable counting costs: reservations and commits per second through a ledger, one at a time and with many in
 * flight, against the barest durable write there is in the same store: a loop of one-row INSERT transactions, or of
 * RPUSH under `appendfsync always`. Rounds are interleaved and medians compared, so that a busy machine disturbs all
 * alike. Beside that: how long a counted request waits for the books under load (p99 against p50), what a store grows by
 * for each credential and what it is left with when they have ended, and how often the gate asks the books at all.
 * PostgreSQL and Redis are measured where their servers can be started.
 *
 *     node --conditions=turnpike:source bench/ledger.ts
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createClient } from '@redis/client'
import { postgresStore } from '@turnpike/l402/store/postgres'
import { redisStore } from '@turnpike/l402/store/redis'
import { sqliteStore } from '@turnpike/l402/store/sqlite'
import { Client } from 'pg'
import { findPostgres, startPostgres } from '../lab/lib/postgres.ts'
import { hasRedis, startRedis } from '../lab/lib/redis.ts'
import { accesses } from './lib/store-accesses.ts'

const ROUNDS = 7
const ROUND_MS = 500

const row = new Uint8Array(48)

type Ledger = ReturnType<typeof sqliteStore>

/** A ledger and what its store holds. */
interface Subject {
  readonly store: string
  readonly ledger: Ledger
  /** Bytes of the store, once what is queued has been written. */
  readonly bytes: () => number | Promise<number>
}

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

/** Counted requests, 64 in flight: how long each waits for the books in all, in milliseconds. */
async function waits(ledger: Ledger, end: number): Promise<readonly number[]> {
  const all: number[] = []
  const one = async (request: (typeof requests)[number]): Promise<void> => {
    while (performance.now() < end) {
      const start = performance.now()
      const outcome = await ledger.reserve(request)
      if (!outcome.ok) throw new Error('the bench has run out of room')
      await ledger.serve(outcome.id)
      const serving = performance.now()
      // What the upstream takes is not the books'.
      await new Promise((resolve) => setImmediate(resolve))
      const served = performance.now()
      await ledger.commit(outcome.id)
      all.push(serving - start + performance.now() - served)
    }
  }
  await Promise.all(requests.slice(0, 64).map(one))
  return all.toSorted((a, b) => a - b)
}

async function latency({ store, ledger }: Subject): Promise<void> {
  const ratios: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const sorted = await waits(ledger, performance.now() + ROUND_MS)
    const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN
    ratios.push(at(0.99) / at(0.5))
  }
  console.log(
    `${store}: a counted request under load (64 in flight) waits for the books: p99 / p50 =`,
    `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
  )
}

const CREDENTIALS = 10_000

/** Each credential uses one call; all end at one time, and are gone a day after it. */
async function useAll({ ledger }: Subject, endsAtMs: number): Promise<void> {
  const request = () => ({
    redemption: { paymentHash: bytes32(), tokenId: bytes32(), service: 'bench', endsAtMs },
    uses: [{ key: bytes32(), limit: 1n, amount: 1n, endsAtMs }],
  })
  for (let done = 0; done < CREDENTIALS; done += 250) {
    const held = await Promise.all(Array.from({ length: 250 }, () => ledger.reserve(request())))
    await Promise.all(held.map((outcome) => (outcome.ok ? ledger.commit(outcome.id) : undefined)))
  }
}

async function growth(subject: Subject): Promise<void> {
  const { store, ledger, bytes } = subject
  const before = await bytes()
  await useAll(subject, 1_000)
  const full = await bytes()
  let rows = 0
  for (let removed = await ledger.prune(); removed > 0; removed = await ledger.prune()) rows += removed
  await bytes() // as a server's own vacuum does in time
  await useAll(subject, 1_000)
  const again = await bytes()
  console.log(
    `${store}: ${Math.round((full - before) / CREDENTIALS)} bytes for each credential that was used;`,
    `${rows} rows of ${CREDENTIALS} ended ones removed; ${CREDENTIALS} more in their place take`,
    `${Math.round((again - full) / CREDENTIALS)} bytes each`,
  )
}

/** Measures a ledger beside bare inserts, which say how many were done before `end`. */
async function compare(
  subject: Subject,
  inserts: (end: number) => number | Promise<number>,
  insert = 'INSERT',
): Promise<void> {
  const { store, ledger } = subject
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
  await latency(subject)
  await growth(subject)
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
    const bytes = (): number => {
      const file = new DatabaseSync(join(folder, 'ledger.db'))
      file.exec('PRAGMA busy_timeout = 5000; PRAGMA wal_checkpoint(TRUNCATE)')
      file.close()
      return statSync(join(folder, 'ledger.db')).size
    }
    await compare({ store: 'SQLite', ledger, bytes }, (end) => {
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
    const bytes = (): number => {
      const database = new URL(url).pathname.slice(1)
      // What was deleted is free for what comes next once it has been vacuumed, as the server does by itself in time.
      server.sql(database, 'VACUUM')
      const size = `SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'turnpike' AND c.relkind = 'r'`
      return Number(server.sql(database, size))
    }
    await compare({ store: 'PostgreSQL', ledger, bytes }, async (end) => {
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
    const bytes = (): number =>
      Number(/^used_memory_dataset:([0-9]+)/m.exec(server.cli('INFO', 'memory'))?.[1])
    await compare({ store: 'Redis', ledger, bytes }, work, 'RPUSH')
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
await accesses()
