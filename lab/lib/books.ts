/** The gateways' books, read past the gateways: straight from the database, with SQL. */

import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'

/** One counter. */
export interface CounterRow {
  /** Lower-case hex. */
  readonly key: string
  readonly used: bigint
  /** `null` of a counter that is no account. */
  readonly credited: bigint | null
  readonly lost: bigint
}

/** What the books say at one moment. */
export interface Page {
  readonly counters: readonly CounterRow[]
  readonly reservations: number
  /** Payment hashes in lower-case hex. */
  readonly payments: readonly string[]
}

/** Books that can be read. */
export interface Books {
  read(): Promise<Page>
  close(): Promise<void>
}

const COUNTERS = 'SELECT key, used, credited, lost FROM'
const hexOf = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString('hex')

function counterRow(row: Record<string, unknown>): CounterRow {
  const { key, used, credited, lost } = row
  // `pg` answers large integers as texts.
  const integer = (value: unknown): bigint => BigInt(String(value))
  return {
    key: hexOf(key),
    used: integer(used),
    credited: credited === null ? null : integer(credited),
    lost: integer(lost),
  }
}

/** The books in a SQLite file. Opened anew each time, so that nothing of it is held when a gateway dies. */
export function sqliteBooks(file: string): Books {
  return {
    async read() {
      const db = new DatabaseSync(file, { readOnly: true })
      try {
        db.exec('BEGIN')
        const all = (statement: string): Record<string, unknown>[] => {
          const prepared = db.prepare(statement)
          prepared.setReadBigInts(true)
          return prepared.all()
        }
        return {
          counters: all(`${COUNTERS} counters`).map(counterRow),
          reservations: Number(all('SELECT count(*) AS n FROM reservations')[0]?.['n']),
          payments: all('SELECT payment_hash FROM redemptions').map((row) => hexOf(row['payment_hash'])),
        }
      } finally {
        db.close()
      }
    },
    async close() {},
  }
}

/** The books in a PostgreSQL database. */
export async function postgresBooks(url: string): Promise<Books> {
  const client = new Client({ connectionString: url })
  // A server that goes away is seen by the next call; without a listener it would end the process.
  client.on('error', () => {})
  await client.connect()
  return {
    async read() {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      const all = async (statement: string): Promise<Record<string, unknown>[]> =>
        (await client.query(statement)).rows
      const page = {
        counters: (await all(`${COUNTERS} turnpike.counters`)).map(counterRow),
        reservations: Number((await all('SELECT count(*) AS n FROM turnpike.reservations'))[0]?.['n']),
        payments: (await all('SELECT payment_hash FROM turnpike.redemptions')).map((row) =>
          hexOf(row['payment_hash']),
        ),
      }
      await client.query('COMMIT')
      return page
    },
    close: () => client.end(),
  }
}
