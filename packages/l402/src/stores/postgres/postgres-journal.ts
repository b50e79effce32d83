import { L402Error } from '../../core/errors.ts'
import { PendingChange, type Shelf, type ShelfEntry, type ShelfView } from '../journal/shelf.ts'
import { openJournal } from '../journal/shelf-journal.ts'
import type { Journal } from '../journal.ts'
import { type Connection, connect, type ServerOptions } from './connection.ts'
import { checkSchemaName, prepareSchema } from './schema.ts'

/** Where the journal is, and how patient it is. */
export interface PostgresJournalOptions extends ServerOptions {
  /** The ledger's (`postgresStore`). Default `turnpike`. */
  readonly schema?: string
  /** How long connecting, and each statement, may take; default 5,000. */
  readonly timeoutMs?: number
}

/**
 * The journal beside a ledger in PostgreSQL, in a table of its own, with a connection of its own that is opened again
 * when it is lost. Changes of all gateways follow each other. Throws like `postgresStore`.
 */
export async function postgresJournal(options: PostgresJournalOptions): Promise<Journal> {
  const { schema = 'turnpike', timeoutMs = 5_000, ...server } = options
  checkSchemaName(schema)
  return openJournal(new PostgresShelf(server, { schema, timeoutMs }), 'the PostgreSQL server')
}

const GET = { name: 'journal_get', text: 'SELECT value FROM journal WHERE name = $1' }
const UP = {
  name: 'journal_up',
  text: 'SELECT name, value FROM journal WHERE name >= $1 AND name < $2 ORDER BY name LIMIT $3',
}
const DOWN = {
  name: 'journal_down',
  text: 'SELECT name, value FROM journal WHERE name >= $1 AND name < $2 ORDER BY name DESC LIMIT $3',
}
const PUT = {
  name: 'journal_put',
  text: `INSERT INTO journal SELECT * FROM unnest($1::text[], $2::text[])
         ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
}
const REMOVE = { name: 'journal_remove', text: 'DELETE FROM journal WHERE name = ANY($1::text[])' }

class PostgresShelf implements Shelf {
  readonly #server: ServerOptions
  readonly #schema: string
  readonly #timeoutMs: number
  #connection: Connection | undefined
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(server: ServerOptions, { schema, timeoutMs }: { schema: string; timeoutMs: number }) {
    this.#server = server
    this.#schema = schema
    this.#timeoutMs = timeoutMs
  }

  read<T>(work: (view: ShelfView) => Promise<T>): Promise<T> {
    return this.#alone((connection) => work(viewOf(connection)))
  }

  change<T>(work: (change: PendingChange) => Promise<T>): Promise<T> {
    return this.#alone(async (connection) => {
      await connection.run('BEGIN')
      try {
        // Every statement after it sees what those before have committed.
        await connection.run(`SELECT pg_advisory_xact_lock(hashtextextended('turnpike journal ' || $1, 0))`, [
          this.#schema,
        ])
        const change = new PendingChange(viewOf(connection))
        const result = await work(change)
        await writeAll(connection, change.writes)
        await connection.run('COMMIT')
        return result
      } catch (error) {
        // A connection that broke has rolled back by itself.
        await connection.run('ROLLBACK').catch(() => {})
        throw error
      }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#last
    await this.#connection?.close()
  }

  /** One after the other: a connection holds one transaction. */
  #alone<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const mine = this.#last.then(async () => work(await this.#open()))
    this.#last = mine.catch(() => {})
    return mine
  }

  async #open(): Promise<Connection> {
    if (this.#closed) throw new L402Error('store_unavailable', 'the journal is closed')
    if (this.#connection !== undefined && !this.#connection.over) return this.#connection
    const schema = this.#schema
    const connection = await connect(this.#server, this.#timeoutMs, () => {})
    try {
      for (const name of ['statement_timeout', 'lock_timeout'])
        await connection.run(`SELECT set_config($1, $2, false)`, [name, `${this.#timeoutMs}`])
      await connection.run(`SELECT set_config('search_path', $1, false)`, [`"${schema}"`])
      await connection.run(
        `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`,
      )
      await connection.run(
        `SELECT set_config('idle_session_timeout', '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'`,
      )
      await prepareSchema(connection, schema)
      await prepareTable(connection, schema)
    } catch (error) {
      await connection.close()
      throw error
    }
    this.#connection = connection
    return connection
  }
}

/** A table that is there is not touched, so no more rights than to it are needed. */
async function prepareTable(connection: Connection, schema: string): Promise<void> {
  const [found] = await connection.run(`SELECT to_regclass('"${schema}".journal')`)
  if (found?.[0] !== null) return
  await connection.run('BEGIN')
  try {
    await connection.run(`SELECT pg_advisory_xact_lock(hashtextextended('turnpike schema ' || $1, 0))`, [
      schema,
    ])
    await connection.run(
      'CREATE TABLE IF NOT EXISTS journal(name text COLLATE "C" PRIMARY KEY, value text NOT NULL)',
    )
    await connection.run('COMMIT')
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => {})
    throw error
  }
}

function viewOf(connection: Connection): ShelfView {
  return {
    async get(name) {
      const [row] = await connection.run(GET, [name])
      return row?.[0] ?? undefined
    },
    async scan({ from, to, limit, reverse = false }) {
      const rows = await connection.run(reverse ? DOWN : UP, [from, to, limit])
      return rows.map(([name, value]): ShelfEntry => [name ?? '', value ?? ''])
    },
  }
}

async function writeAll(connection: Connection, writes: ReadonlyMap<string, string | null>): Promise<void> {
  const put = [...writes].filter((entry): entry is [string, string] => entry[1] !== null)
  const removed = [...writes].flatMap(([name, value]) => (value === null ? [name] : []))
  if (put.length > 0) await connection.run(PUT, [put.map(([name]) => name), put.map(([, value]) => value)])
  if (removed.length > 0) await connection.run(REMOVE, [removed])
}
