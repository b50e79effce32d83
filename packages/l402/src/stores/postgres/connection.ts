import type { ConnectionOptions } from 'node:tls'
import type { Client, ClientConfig } from 'pg'
import { L402Error } from '../../core/errors.ts'

/** Where the server is and who asks. */
export interface ServerOptions {
  /** `postgres://user:password@host:port/database`, with `?sslmode=…` and the like. */
  readonly url?: string
  /** A host name, an address, or the folder of a Unix socket. What is left out comes from `PGHOST` and its like. */
  readonly host?: string
  readonly port?: number
  readonly user?: string
  /** Or a function that fetches it, asked for each connection. */
  readonly password?: string | (() => string | Promise<string>)
  readonly database?: string
  readonly ssl?: boolean | ConnectionOptions
}

/** A row as the server writes it: text, or null. */
export type Row = readonly (string | null)[]

/** A statement that the server keeps prepared under its name. */
interface Prepared {
  readonly name: string
  readonly text: string
}

/** One connection, from its opening to its end. Never opened twice: who holds it may rely on the session behind it. */
export interface Connection {
  /** Where it leads, without a password. */
  readonly address: string
  /** Throws `store_unavailable`. One at a time. */
  run(statement: string | Prepared, values?: readonly unknown[]): Promise<readonly Row[]>
  /** Resolves when it is over, however it came to that. */
  readonly lost: Promise<void>
  /** Whether it is over, or about to be. */
  readonly over: boolean
  /** Ends it, politely if nothing runs. */
  close(): Promise<void>
}

const MISSING = 'the PostgreSQL ledger needs a package that is not installed; run: npm i pg'

/** Connects within `timeoutMs`, which also bounds every statement. Throws `store_unavailable`. */
export async function connect(
  { url, ...server }: ServerOptions,
  timeoutMs: number,
  onNotification: () => void,
): Promise<Connection> {
  const { Client } = await import('pg').catch((cause: unknown) => {
    throw new L402Error('store_unavailable', MISSING, { cause })
  })
  const config: ClientConfig = {
    ...server,
    ...(url === undefined ? {} : { connectionString: url }),
    application_name: 'turnpike',
    connectionTimeoutMillis: timeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  }
  let client: PgClient
  try {
    client = new Client(config) as PgClient
  } catch (error) {
    // What the parser says may hold a part of the URL.
    const code = (error as NodeJS.ErrnoException).code ?? 'not a URL'
    throw new L402Error('store_unavailable', `the PostgreSQL address cannot be used: ${code}`)
  }
  const connection = new PgConnection(client, timeoutMs)
  client.on('notification', onNotification)
  try {
    await client.connect()
  } catch (error) {
    void connection.close()
    throw new L402Error(
      'store_unavailable',
      `the ledger at ${connection.address} could not be reached: ${connection.tell(error)}`,
    )
  }
  return connection
}

/** The types of `pg` do not know of these. */
type PgClient = Client & {
  ref(): void
  unref(): void
  readonly connection: { readonly stream: { destroy(): void } }
}

/** SQLSTATEs after which the session is of no use: not the owner any more, read-only, shutting down. */
const FATAL = new Set(['TP001', '25006', '57P01', '57P02', '57P03', '57P05'])
/** The server gives up first, at `timeoutMs`; this is for when its answer does not come. */
const GRACE_MS = 1_000

const TEXT = { getTypeParser: () => (value: string) => value }

class PgConnection implements Connection {
  readonly address: string
  readonly lost: Promise<void>
  over = false
  readonly #client: PgClient
  readonly #timeoutMs: number

  constructor(client: PgClient, timeoutMs: number) {
    const { user, host, port, database } = client
    this.address = `postgres://${user}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
    this.#client = client
    this.#timeoutMs = timeoutMs
    // An error without a listener would end the process.
    client.on('error', () => {
      this.over = true
    })
    this.lost = new Promise((resolve) => {
      client.once('end', () => {
        this.over = true
        resolve()
      })
    })
  }

  async run(statement: string | Prepared, values?: readonly unknown[]): Promise<readonly Row[]> {
    const query = typeof statement === 'string' ? { text: statement } : statement
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error('no answer in time'))
        void this.close()
      }, this.#timeoutMs + GRACE_MS)
    })
    // Only while it waits for an answer does it keep the process from ending.
    this.#client.ref()
    try {
      const asked = this.#client.query<(string | null)[]>({
        ...query,
        ...(values === undefined ? {} : { values: [...values] }),
        rowMode: 'array',
        types: TEXT,
      })
      const { rows } = await Promise.race([asked, late])
      return rows
    } catch (error) {
      if (FATAL.has((error as { code?: string }).code ?? '')) void this.close()
      throw new L402Error(
        'store_unavailable',
        `the ledger at ${this.address} could not be written: ${this.tell(error)}`,
      )
    } finally {
      clearTimeout(timer)
      if (!this.over) this.#client.unref()
    }
  }

  async close(): Promise<void> {
    this.over = true
    const { connection } = this.#client
    // Whoever waits for this end must see it, though nothing else keeps the process; and it comes though nobody answers.
    const timer = setTimeout(() => connection.stream.destroy(), GRACE_MS)
    // With a statement on its way this cuts the connection.
    await this.#client.end().catch(() => {})
    clearTimeout(timer)
  }

  /** An error's text alone: what hangs on it (details, parameters) may hold keys. */
  tell(error: unknown): string {
    const { message, code } = error as { message?: string; code?: string }
    const text = message === undefined || message === '' ? (code ?? 'unknown fault') : message
    const { password } = this.#client
    return typeof password === 'string' && password !== '' ? text.replaceAll(password, '…') : text
  }
}
