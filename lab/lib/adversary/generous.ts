/** An upstream that reads as generously as any, and says where that finds something else than the gateway has matched. */

import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { forgedIdentities, overrides } from '../../../packages/gateway/test/e2e/hostile-requests.ts'

/** Tells the upstream, in a line that the gateway's configuration sets, which service a request was matched to. */
export const MATCHED = 'x-matched'

/** What was sold, and to whom. */
export interface Sold {
  /** Services that are free. */
  readonly free: readonly string[]
  /** Where the paths of a service begin, if not with its name. */
  readonly prefixes: Readonly<Record<string, string>>
  /** Hosts of services that have some. */
  readonly hosts: Readonly<Record<string, string>>
  /** Ids of the tokens that were paid for. */
  readonly tokens: ReadonlySet<string>
  /** What must never reach an upstream. */
  readonly secrets: readonly string[]
}

/** What came. */
export interface GenerousUpstream {
  readonly origin: string
  /** How often each probe came. */
  readonly arrivals: ReadonlyMap<string, number>
  /** Every request that came. */
  readonly total: number
  /** What must not have come, in words. */
  readonly wrongs: readonly string[]
  close(): Promise<void>
}

/** Starts one. What is `sold` may still grow. */
export async function startGenerousUpstream(sold: Sold): Promise<GenerousUpstream> {
  const arrivals = new Map<string, number>()
  const wrongs: string[] = []
  let total = 0
  const server = createServer(
    { insecureHTTPParser: true, maxHeaderSize: 1 << 20, keepAliveTimeout: 60_000 },
    (req, res) => {
      total++
      const probe = String(req.headers['x-probe'] ?? '')
      if (probe !== '') {
        const times = (arrivals.get(probe) ?? 0) + 1
        arrivals.set(probe, times)
        if (times > 1) wrongs.push(`${probe}: arrived ${times} times`)
      }
      for (const wrong of judge(req, sold)) wrongs.push(`${probe}: ${wrong}: ${req.method} ${req.url}`)
      req.on('error', () => {})
      res.on('error', () => {})
      const answer = (): void => void res.end(req.method === 'HEAD' ? undefined : '{"ok":true}')
      // Some upstreams answer before they have read.
      if (total % 4 === 0) answer()
      req.resume().once('end', () => {
        for (const line of req.rawTrailers)
          if (/smuggled/i.test(line)) wrongs.push(`${probe}: a trailer was passed on`)
        answer()
      })
    },
  )
  server.maxHeadersCount = 0
  // Bytes that even this one cannot read are the gateway's fault, if they are not an end in the middle.
  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE')
      wrongs.push(
        `bytes that are no request: ${error.code}: ${JSON.stringify(error.rawPacket?.toString('latin1').slice(0, 400))}`,
      )
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arrivals,
    wrongs,
    get total() {
      return total
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const plainName = (name: string): string => name.toLowerCase().replaceAll('_', '-')
const OVERRIDES = new Set(overrides.map(plainName))
const IDENTITIES = new Set(forgedIdentities.map(plainName))
const FRAMINGS = new Set(['content-length', 'transfer-encoding', 'host'])

/** Everything that is wrong with a request that came. */
function judge(req: IncomingMessage, sold: Sold): string[] {
  const wrongs: string[] = []
  const { rawHeaders: raw, headers, url = '', method } = req
  const matched = String(headers[MATCHED] ?? '')
  const probe = String(headers['x-probe'] ?? '')
  const prefix = sold.prefixes[matched] ?? `/${matched}/`
  for (const reading of readings(url))
    if (!`${reading}/`.startsWith(prefix)) wrongs.push(`matched ${matched}, and may be read as ${reading}`)
  const seen = new Set<string>()
  for (let i = 0; i < raw.length; i += 2) {
    const [name = '', value = ''] = [plainName(raw[i] ?? ''), raw[i + 1]]
    if (OVERRIDES.has(name)) wrongs.push(`with ${name}`)
    if (FRAMINGS.has(name) && seen.has(name)) wrongs.push(`with ${name} twice`)
    if (/smuggled/i.test(name + value)) wrongs.push(`with a forged ${name}`)
    if (sold.secrets.some((secret) => value.includes(secret))) wrongs.push(`with a credential in ${name}`)
    if (sold.free.includes(matched) && IDENTITIES.has(name)) wrongs.push(`free, and with ${name}`)
    seen.add(name)
  }
  if (seen.has('content-length') && seen.has('transfer-encoding')) wrongs.push('with two framings')
  if (probe.endsWith('h')) wrongs.push('was hidden in another one')
  if (method === 'TRACE' || method === 'CONNECT') wrongs.push('with a method that is never passed on')
  const host = sold.hosts[matched]
  if (host !== undefined && !ofHost(headers['x-forwarded-host'] ?? headers.host, host))
    wrongs.push(`matched ${matched}, with the host ${headers['x-forwarded-host'] ?? headers.host}`)
  if (!sold.free.includes(matched)) {
    if (!probe.endsWith('p')) wrongs.push('unpaid')
    if (!sold.tokens.has(String(headers['x-l402-token-id'] ?? '')))
      wrongs.push('with a token that was not sold')
  }
  return wrongs
}

function ofHost(value: string | readonly string[] | undefined, host: string): boolean {
  return (
    typeof value === 'string' && new RegExp(`^${host.replaceAll('.', '\\.')}\\.?(:\\d+)?$`, 'i').test(value)
  )
}

/** All that a target may mean to somebody. */
export function readings(target: string): Set<string> {
  const found = new Set<string>()
  const path = target.split('?')[0] ?? ''
  const once = unescapeOnce(path)
  for (const decoded of [path, once, unescapeOnce(once)])
    for (const slashes of [decoded, decoded.replaceAll('\\', '/')])
      for (const bare of [slashes, slashes.replaceAll(/;[^/]*/g, '')])
        for (const cut of [bare, bare.split(/[#\0?]/)[0] ?? '']) found.add(resolved(cut))
  return found
}

function unescapeOnce(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

/** Without dot segments and empty ones. */
function resolved(path: string): string {
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '.' && segment !== '') segments.push(segment)
  }
  return `/${segments.join('/')}`
}
