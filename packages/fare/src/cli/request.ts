import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import type { PreparedRequest } from '@turnpike/l402/client'
import { HeaderList } from '../net/header-list.ts'
import type { FetchSettings } from '../net/settings.ts'
import { typedBounds } from './unpack-options.ts'
import { UsageError } from './usage-error.ts'

/** What `get` and `quote` understand of a request, as curl spells it. */
export interface TypedRequest {
  readonly request?: string | undefined
  readonly header?: string[] | undefined
  readonly cookie?: string[] | undefined
  readonly data?: string[] | undefined
  readonly 'data-binary'?: string[] | undefined
  readonly head?: boolean | undefined
  readonly location?: boolean | undefined
  readonly 'max-time'?: string | undefined
}

/** What `get` and `quote` understand of connections. */
export interface TypedConnection {
  readonly insecure?: boolean | undefined
  readonly compressed?: boolean | undefined
  readonly http2?: boolean | undefined
  readonly 'connect-timeout'?: string | undefined
  readonly 'response-timeout'?: string | undefined
  readonly 'idle-timeout'?: string | undefined
  readonly 'public-only'?: boolean | undefined
  readonly 'max-unpacked'?: string | undefined
  readonly 'max-unpack-ratio'?: string | undefined
}

/**
 * How to connect, as it was typed.
 *
 * @throws UsageError that says what was expected.
 */
export function httpSettings(typed: TypedConnection): FetchSettings {
  const { insecure = false, compressed, http2 } = typed
  const stage = (flag: 'connect-timeout' | 'response-timeout' | 'idle-timeout'): number | undefined => {
    const limit = typed[flag]
    if (limit === undefined) return undefined
    return limit === '0' ? 0 : Math.ceil(seconds(`--${flag}`, limit) * 1000)
  }
  const unpackBounds = typedBounds(typed)
  if (unpackBounds && !compressed)
    throw new UsageError('--max-unpacked and --max-unpack-ratio go with --compressed')
  return {
    insecure,
    compressed,
    unpackBounds,
    http2,
    connectTimeoutMs: stage('connect-timeout'),
    responseTimeoutMs: stage('response-timeout'),
    idleTimeoutMs: stage('idle-timeout'),
    publicOnly: typed['public-only'],
  }
}

/**
 * The request that was typed.
 *
 * @throws UsageError that says what was expected.
 */
export async function typedRequest(
  urlText: string | undefined,
  typed: TypedRequest,
): Promise<PreparedRequest> {
  const url = typedUrl(urlText)
  const headers = typedHeaders(typed.header ?? [])
  addCookies(headers, typed.cookie ?? [])
  const body = await typedBody(typed)
  if (body !== null && typed.head)
    throw new UsageError('-I and -d do not go together: a HEAD request has no body')
  const method = typed.request ?? (typed.head ? 'HEAD' : body === null ? 'GET' : 'POST')
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(method))
    throw new UsageError(`-X: expected a method name such as PUT, got "${method}"`)
  if (/^(connect|trace|track)$/i.test(method)) throw new UsageError(`-X: ${method} cannot be sent`)
  if (body !== null && /^head$/i.test(method))
    throw new UsageError('-X HEAD and -d do not go together: a HEAD request has no body')
  if (body !== null && !headers.has('content-type'))
    headers.set('content-type', 'application/x-www-form-urlencoded')
  if (!headers.has('accept')) headers.set('accept', '*/*')
  if (!headers.has('user-agent')) headers.set('user-agent', 'fare')
  return {
    url,
    method,
    headers,
    body,
    replayable: true,
    redirect: typed.location ? 'follow' : 'manual',
    signal:
      typed['max-time'] === undefined
        ? null
        : AbortSignal.timeout(seconds('--max-time', typed['max-time']) * 1000),
    init: {},
  }
}

function typedUrl(text: string | undefined): URL {
  if (text === undefined)
    throw new UsageError('expected a URL, e.g. fare get https://api.example/forecast/paris')
  // As curl does: a URL without a scheme is http.
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  if (!URL.canParse(withScheme)) throw new UsageError(`not a URL: ${text}`)
  const url = new URL(withScheme)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new UsageError(`expected an http:// or https:// URL, got ${url.protocol}//`)
  if (url.username !== '' || url.password !== '')
    throw new UsageError('a URL with a user name or password in it is not sent; use -H "Authorization: …"')
  url.hash = ''
  return url
}

function typedHeaders(lines: readonly string[]): HeaderList {
  const headers = new HeaderList()
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0)).trim()
    try {
      if (colon < 0) throw new TypeError()
      headers.append(name, line.slice(colon + 1).trim())
    } catch {
      // The line may hold a secret: it is not repeated.
      throw new UsageError('-H: expected "Name: value" with a legal header name and value')
    }
  }
  return headers
}

/** As one line, the one of `-H` included; another origin never gets it (rule C7). */
function addCookies(headers: HeaderList, cookies: readonly string[]): void {
  if (cookies.length === 0) return
  const before = headers.get('cookie')
  try {
    // Curl takes what has no "=" for a file, and keeps what servers set.
    if (!cookies.every((text) => /^[^=;\s]+=[^;]*(?:; *[^=;\s]+=[^;]*)*;? *$/.test(text)))
      throw new TypeError()
    headers.set('cookie', [...(before === null ? [] : [before]), ...cookies.map(trimmed)].join('; '))
  } catch {
    // It may be a secret: it is not repeated.
    throw new UsageError('-b: expected "name=value", or several with "; " between them; files are not read')
  }
}

function trimmed(cookies: string): string {
  return cookies.replace(/;? *$/, '')
}

async function typedBody(typed: TypedRequest): Promise<Uint8Array<ArrayBuffer> | null> {
  const parts: Buffer[] = []
  for (const text of typed.data ?? []) {
    // As curl does: a file's line ends and NULs are left out.
    const whole = text.startsWith('@') ? await readInput(text) : Buffer.from(text)
    parts.push(text.startsWith('@') ? Buffer.from(whole.filter((byte) => !STRIPPED.has(byte))) : whole)
  }
  for (const text of typed['data-binary'] ?? [])
    parts.push(text.startsWith('@') ? await readInput(text) : Buffer.from(text))
  if (parts.length === 0) return null
  return new Uint8Array(
    Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [Buffer.from('&'), part]))),
  )
}

const STRIPPED: ReadonlySet<number> = new Set([0x00, 0x0a, 0x0d])

async function readInput(text: string): Promise<Buffer> {
  const path = text.slice(1)
  try {
    return path === '-' ? await buffer(process.stdin) : await readFile(path)
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/**
 * Seconds as typed, e.g. `30` or `2.5`.
 *
 * @throws UsageError
 */
function seconds(flag: string, text: string): number {
  const value = Number(text)
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text) || value <= 0 || value > 2_000_000)
    throw new UsageError(`${flag}: expected seconds above 0, got "${text}"`)
  return value
}
