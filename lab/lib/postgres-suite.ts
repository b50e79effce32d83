/** What the suites about PostgreSQL share: a server, ledgers that are closed, processes that are killed. */

import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import type { Ledger } from '../../packages/l402/src/stores/ledger.ts'
import { type PostgresStoreOptions, postgresStore } from '../../packages/l402/src/stores/postgres/index.ts'
import { type Child, startLedgerChild } from './children.ts'
import { findPostgres, type PostgresServer, secret, startPostgres } from './postgres.ts'

/** Where PostgreSQL is, if it is. */
export const programs: string | undefined = findPostgres()

// The reporter names no test of a file that is skipped as a whole.
if (programs === undefined) console.log('SKIPPED: PostgreSQL is not installed')

/** Runs from the first test to the last. */
export let server: PostgresServer
beforeAll(async () => {
  if (programs !== undefined) server = await startPostgres(programs)
})
afterAll(() => server?.remove())

const opened: Ledger[] = []
const children: Child[] = []
afterEach(async () => {
  for (const child of children.splice(0)) await child.kill()
  await closeAll()
})

/** Opens a ledger that is closed after the test. */
export async function open(options: PostgresStoreOptions): Promise<Ledger> {
  const ledger = await postgresStore(options)
  opened.push(ledger)
  return ledger
}

/** Closes what is open now. */
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((ledger) => ledger.close()))
}

/** Starts a process that is killed after the test. */
export function start(mode: string, url: string): Child {
  const child = startLedgerChild(mode, url)
  children.push(child)
  return child
}

export const databaseOf = (url: string): string => new URL(url).pathname.slice(1)
export const count = (url: string, table: string): number =>
  Number(server.sql(databaseOf(url), `SELECT count(*) FROM turnpike.${table}`))
export const cutAll = (url: string): void => {
  server.sql(
    'postgres',
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${databaseOf(url)}'`,
  )
}
export const counter = (n: number): Uint8Array => new Uint8Array(32).fill(n)
export const used = async (ledger: Ledger, ...counters: readonly number[]): Promise<number[]> =>
  (await ledger.read(counters.map(counter))).map((state) => Number(state.used))

/** What `work` is rejected with, and that it took no longer than `withinMs`. */
export async function faultOf(work: Promise<unknown>, withinMs = 5_000): Promise<unknown> {
  const started = performance.now()
  const fault = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(performance.now() - started).toBeLessThan(withinMs)
  expect(JSON.stringify(fault) + String(fault)).not.toContain(secret)
  return fault
}
