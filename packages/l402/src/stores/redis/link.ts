import { isIP } from 'node:net'
import { L402Error } from '../../core/errors.ts'
import type { Script } from './scripts.ts'
import type { RedisTarget } from './target.ts'

type Driver = typeof import('@redis/client')
type Argument = string | Buffer

/** What a script answers. Bytes where the server says text: an outcome may hold anything. */
export type Reply = Buffer | number | null | readonly Reply[]

/** The text in a reply, one character per byte; of anything else none. */
export function textOf(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : ''
}

/** The items of a reply; of anything else none. */
export function itemsOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : []
}

/** One connection to the server, used until it fails; a new one takes its place then. */
export interface Link {
  /** Rejects when the server says no, when it does not answer in time, and when the connection breaks. */
  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<readonly Reply[]>
  command(args: readonly string[]): Promise<unknown>
  subscribe(channel: string, heard: () => void): Promise<void>
  /** Whether the connection keeps the process alive. */
  hold(yes: boolean): void
  /** At once; what waits for an answer is rejected. */
  drop(): void
}

/** The server has answered, and did nothing. */
export class ServerRefusal extends Error {}

/** Opens a connection. `onDown` is called once, when it has failed after it was open; not after {@link Link.drop}. */
export async function dial(
  driver: Driver,
  target: RedisTarget,
  options: { readonly timeoutMs: number; readonly onDown: (error: unknown) => void },
): Promise<Link> {
  const { host, port, tls, database, username, password } = target
  const { timeoutMs } = options
  const client = driver.createClient({
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    database,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    socket: {
      host,
      port,
      ...(tls ? { tls: true as const, ...(isIP(host) === 0 ? { servername: host } : {}) } : {}),
      connectTimeout: timeoutMs,
      reconnectStrategy: false,
    },
  })
  let open = false
  const waiting = new Set<(error: Error) => void>()
  const cut = (error: Error): void => {
    for (const reject of waiting) reject(error)
  }
  const fail = (error: Error): void => {
    const wasOpen = open
    open = false
    cut(error)
    client.destroy()
    if (wasOpen) options.onDown(error)
  }
  client.on('error', fail)

  /** The driver has no time limit for what was sent; a server that stands still must not hold anybody. */
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => fail(new Error(`no answer for ${timeoutMs} ms`)), timeoutMs).unref()
    let drop: (error: Error) => void = () => {}
    try {
      return await new Promise<T>((resolve, reject) => {
        drop = reject
        waiting.add(reject)
        work.then(resolve, reject)
      })
    } catch (error) {
      throw error instanceof driver.ErrorReply ? new ServerRefusal(error.message) : error
    } finally {
      waiting.delete(drop)
      clearTimeout(timer)
    }
  }
  try {
    await inTime(client.connect())
  } catch (error) {
    client.destroy()
    throw error
  }
  open = true
  const asBytes = { typeMapping: { [driver.RESP_TYPES.BLOB_STRING]: Buffer } }
  return {
    async run(script, keys, args): Promise<readonly Reply[]> {
      const rest = [String(keys.length), ...keys, ...args]
      const send = (...command: readonly string[]): Promise<readonly Reply[]> =>
        inTime(client.sendCommand<readonly Reply[]>([...command, ...rest], asBytes))
      try {
        return await send('EVALSHA', script.sha)
      } catch (error) {
        if (!(error instanceof ServerRefusal) || !error.message.startsWith('NOSCRIPT')) throw error
        return await send('EVAL', script.text)
      }
    },
    command: (args) => inTime(client.sendCommand(args)),
    subscribe: (channel, heard) => inTime(client.subscribe(channel, heard)),
    hold: (yes) => (yes ? client.ref() : client.unref()),
    drop(): void {
      open = false
      cut(new Error('the connection was closed'))
      client.destroy()
    },
  }
}

/** The driver, which is not everybody's to install. */
export async function loadDriver(
  load: () => Promise<Driver> = () => import('@redis/client'),
): Promise<Driver> {
  try {
    return await load()
  } catch (cause) {
    throw new L402Error(
      'store_unavailable',
      'the Redis store needs the package "@redis/client", which is not installed: npm install @redis/client',
      { cause },
    )
  }
}
