import { L402Error } from '../../core/errors.ts'
import type { Connection } from './connection.ts'
import { FUNCTIONS_1 } from './functions.ts'
import { MIGRATION_2 } from './migration-2.ts'
import { MIGRATION_3 } from './migration-3.ts'

/** Step n brings a schema of version n to version n+1. Only ever appended to. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE counters(key bytea PRIMARY KEY, used bigint NOT NULL CHECK (used >= 0)) WITH (fillfactor = 80);
   CREATE TABLE reservations(
     id bigint PRIMARY KEY, owner bigint NOT NULL, serving boolean NOT NULL, uses bytea NOT NULL
   ) WITH (fillfactor = 80);
   CREATE TABLE owners(
     id bigint PRIMARY KEY, pid integer NOT NULL,
     opened_at timestamptz NOT NULL DEFAULT now(), seen_at timestamptz
   );
   CREATE TABLE redemptions(
     payment_hash bytea PRIMARY KEY, token_id bytea NOT NULL, service text NOT NULL, first_seen_ms bigint NOT NULL
   );
   CREATE TABLE revocations(
     seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     kind text NOT NULL CHECK (kind IN ('token', 'payment')), key bytea NOT NULL, at_ms bigint NOT NULL,
     UNIQUE (kind, key)
   );
   ${FUNCTIONS_1}`,
  MIGRATION_2,
  MIGRATION_3,
]

/** What a schema may be called: nothing that needs quoting rules to be thought about. */
const NAME = /^[a-z_][a-z0-9_]{0,47}$/

/** Throws `RangeError` for a name that cannot be one. */
export function checkSchemaName(name: string): void {
  if (!NAME.test(name) || name.startsWith('pg_'))
    throw new RangeError('schema: expected 1 to 48 of a–z, 0–9 and _, not starting with a digit or "pg_"')
}

/**
 * Brings the schema (on this connection's search path) to this version; makes it if it is missing. A schema that is as
 * it should be is not written to, so no more rights than to its tables are needed.
 */
export async function prepareSchema(connection: Connection, name: string): Promise<void> {
  if ((await versionOf(connection, name)) === MIGRATIONS.length) return
  await connection.run('BEGIN')
  try {
    // Whoever migrates does so alone; the lock ends with the transaction.
    await connection.run(`SELECT pg_advisory_xact_lock(hashtextextended('turnpike schema ' || $1, 0))`, [
      name,
    ])
    const version = await versionOf(connection, name)
    if (version === undefined) {
      const [exists] = await connection.run('SELECT FROM pg_namespace WHERE nspname = $1', [name])
      if (exists === undefined) await connection.run(`CREATE SCHEMA "${name}"`)
      await connection.run('CREATE TABLE ledger_version(version integer NOT NULL)')
      await connection.run('INSERT INTO ledger_version VALUES (0)')
    }
    for (const step of MIGRATIONS.slice(version ?? 0)) await connection.run(step)
    await connection.run(`UPDATE ledger_version SET version = ${MIGRATIONS.length}`)
    await connection.run('COMMIT')
  } catch (error) {
    // A connection that broke has rolled back by itself.
    await connection.run('ROLLBACK').catch(() => {})
    throw error
  }
}

/** `undefined`: there is no schema yet, or an empty one. */
async function versionOf(connection: Connection, name: string): Promise<number | undefined> {
  const [row] = await connection.run(
    `SELECT to_regclass('"${name}".ledger_version'), (SELECT count(*) FROM pg_class c
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1)`,
    [name],
  )
  if (row?.[0] === null && row[1] !== '0')
    throw new L402Error(
      'store_incompatible',
      `the schema "${name}" of ${connection.address} belongs to another program: name another one`,
    )
  if (row?.[0] === null) return undefined
  const [version] = await connection.run('SELECT version FROM ledger_version')
  const found = Number(version?.[0])
  if (found > MIGRATIONS.length)
    throw new L402Error(
      'store_incompatible',
      `the ledger at ${connection.address} has version ${found}, this program knows up to ${MIGRATIONS.length}: ` +
        'use the newer program that wrote it, or restore the copy made before the upgrade',
      { details: { version: found, known: MIGRATIONS.length } },
    )
  return found
}
