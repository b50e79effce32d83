import type { Ledger } from '../ledger.ts'
import type { BatchListener } from '../lib/batches.ts'
import type { ServerOptions } from './connection.ts'
import { Link } from './link.ts'
import { PostgresLedger } from './postgres-ledger.ts'
import { checkSchemaName } from './schema.ts'
import { openSession, type SessionOptions } from './session.ts'

/** Where the books are, and how patient they are. */
export interface PostgresStoreOptions extends ServerOptions {
  /** Holds all that belongs to the ledger; made if it is missing. Default `turnpike`. */
  readonly schema?: string
  /** Milliseconds since 1970; default `Date.now`. Gateways of one store should agree within hours. */
  readonly now?: () => number
  /** How long connecting, and each statement, may take; default 5,000. */
  readonly timeoutMs?: number
  /** How often revocations are looked for that no notification told of; default 300. */
  readonly pollMs?: number
  /** How often owners that died are looked for; default 5,000. */
  readonly sweepMs?: number
  /** How often what has ended is removed; default 60,000. */
  readonly pruneMs?: number
  /** Told of every batch that was written or failed; must not throw. */
  readonly onBatch?: BatchListener
}

/**
 * Books in a PostgreSQL database (12 or newer), for any number of gateways on any number of machines. Calls made at
 * about the same time become durable in one transaction. Needs the package `pg`, and Node.
 *
 * Every open ledger has one connection, and **owns** its reservations through a lock that ends with it: when the process
 * or its machine dies, the others end what it held. A living process that loses its connection opens another and takes
 * over what it held; if others were faster, {@link Ledger.serve} throws for what is gone, so nothing is ever served
 * free. A `commit` or `release` that could not be written is remembered and written when the server is back.
 *
 * The connection must lead to the server itself or through a pooler in *session* mode: locks and notifications belong to
 * a session.
 *
 * Throws `store_unavailable` when the server cannot be reached or does not let us in, or when `pg` is missing;
 * `store_incompatible` when the schema is another program's or of a newer version.
 *
 * @example
 * const ledger = await postgresStore({ url: 'postgres://turnpike@localhost/turnpike' })
 */
export async function postgresStore(options: PostgresStoreOptions): Promise<Ledger> {
  const { schema = 'turnpike', timeoutMs = 5_000, now = Date.now } = options
  const { pollMs = 300, sweepMs = 5_000, pruneMs = 60_000 } = options
  checkSchemaName(schema)
  const { url, host, port, user, password, database, ssl } = options
  const server = Object.fromEntries(
    Object.entries({ url, host, port, user, password, database, ssl }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as ServerOptions
  let ledger: PostgresLedger | undefined
  const session: SessionOptions = {
    server,
    schema,
    timeoutMs,
    owners: new Set(),
    onRevocation: () => ledger?.hearRevocation(),
  }
  const first = await openSession(session)
  ledger = new PostgresLedger(new Link(session, first), { now, schema, onBatch: options.onBatch })
  try {
    await ledger.start(first, { pollMs, sweepMs, pruneMs })
  } catch (error) {
    await ledger.close()
    throw error
  }
  return ledger
}
