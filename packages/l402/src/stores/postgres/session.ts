import { randomInt } from 'node:crypto'
import { type Connection, connect, type ServerOptions } from './connection.ts'
import { prepareSchema } from './schema.ts'

/** What a session is opened with. */
export interface SessionOptions {
  readonly server: ServerOptions
  readonly schema: string
  readonly timeoutMs: number
  /**
   * The owners that earlier sessions of the same ledger were, or may have been; the new one joins them. What they held
   * it takes over, and is the only one when it has.
   */
  readonly owners: Set<bigint>
  /** Somebody has revoked something. */
  onRevocation(): void
}

/** A connection that is the owner of reservations for as long as it lasts. */
export interface Session {
  readonly connection: Connection
  readonly owner: bigint
}

/** Opens a session: connects, brings the schema to this version, becomes an owner. */
export async function openSession(options: SessionOptions): Promise<Session> {
  const { server, schema, timeoutMs, owners, onRevocation } = options
  const connection = await connect(server, timeoutMs, onRevocation)
  try {
    await applySettings(connection, schema, timeoutMs)
    await prepareSchema(connection, schema)
    await connection.run(`LISTEN "${channelOf(schema)}"`)
    const owner = await becomeOwner(connection)
    const before = [...owners]
    owners.add(owner)
    for (const each of before) {
      await connection.run('SELECT adopt_1($1, $2)', [owner, each])
      owners.delete(each)
    }
    return { connection, owner }
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** Where revocations are called out. */
export function channelOf(schema: string): string {
  return `turnpike_${schema}`
}

/**
 * Whatever the server's defaults are. A setting that this server does not have is left out: `idle_session_timeout`
 * came with version 14.
 */
async function applySettings(connection: Connection, schema: string, timeoutMs: number): Promise<void> {
  const settings: Readonly<Record<string, string>> = {
    search_path: `"${schema}"`,
    statement_timeout: `${timeoutMs}`,
    lock_timeout: `${timeoutMs}`,
    idle_session_timeout: '0',
    default_transaction_isolation: 'read committed',
    // A client whose machine has died is noticed within half a minute.
    tcp_keepalives_idle: '10',
    tcp_keepalives_interval: '5',
    tcp_keepalives_count: '3',
    // Statements are few, always the same and always by key: plan once, by index also while a table is small.
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
    enable_bitmapscan: 'off',
    jit: 'off',
  }
  await connection.run(
    `SELECT set_config(s.name, s.value, false) FROM unnest($1::text[], $2::text[]) AS s(name, value)
     JOIN pg_settings USING (name)`,
    [Object.keys(settings), Object.values(settings)],
  )
  // Rule 9: what is acknowledged is on disk. A stricter setting stays.
  await connection.run(
    `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`,
  )
}

/**
 * Takes a number nobody has. At random, so that a database restored from an older copy does not give away numbers a
 * second time: reservations are numbered after their owner.
 */
async function becomeOwner(connection: Connection): Promise<bigint> {
  for (;;) {
    const owner = BigInt(randomInt(1, 2 ** 31))
    const [row] = await connection.run('SELECT own_1($1)', [owner])
    if (row?.[0] === 't') return owner
  }
}
