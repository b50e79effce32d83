/** Where a server is, without the secrets of getting in. */
export interface RedisTarget {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly database: number
  readonly username: string | undefined
  readonly password: string | undefined
  /** For messages: `redis://host:port/0`, never with user or password. */
  readonly place: string
}

const EXPECTED = 'expected redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE] or rediss://…'

/** Reads the URL of a server. Throws a `RangeError` that does not repeat the URL: there may be a password in it. */
export function readRedisUrl(text: string): RedisTarget {
  // Not the constructor: its error carries the text.
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '')
    throw new RangeError(`the URL of the Redis server is not one, ${EXPECTED}`)
  if (url.search !== '' || url.hash !== '' || !/^(\/(\d{1,5})?)?$/.test(url.pathname))
    throw new RangeError(`the URL of the Redis server says more than where it is, ${EXPECTED}`)
  const database = Number(url.pathname.slice(1))
  const port = url.port === '' ? 6379 : Number(url.port)
  const scheme = url.protocol.slice(0, -1)
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    tls: scheme === 'rediss',
    database,
    username: decoded(url.username),
    password: decoded(url.password),
    place: `${scheme}://${url.hostname}:${port}/${database}`,
  }
}

/** Where the URL of a server leads, for messages: without user and password. Throws a `RangeError` like the store. */
export function redisPlace(url: string): string {
  return readRedisUrl(url).place
}

function decoded(part: string): string | undefined {
  if (part === '') return undefined
  try {
    return decodeURIComponent(part)
  } catch {
    throw new RangeError('user or password in the URL of the Redis server: expected percent-encoded text')
  }
}
