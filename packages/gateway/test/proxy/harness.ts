import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createNetServer,
  type Server as NetServer,
  type Socket,
} from 'node:net'
import {
  compileRoutes,
  type Decision,
  type Entitlement,
  type Gate,
  type GateRequest,
  type Refused,
  type RouteTerms,
} from '@turnpike/l402/server'
import {
  createDataPlane,
  createPublicServer,
  type DataPlane,
  type DataPlaneHooks,
  type DataPlaneOptions,
  type HostTable,
  type ProxyRoute,
  type PublicServer,
  type PublicServerOptions,
} from '../../src/proxy/index.ts'
import { expectProxyHeader, type ProxyHeaderOptions } from '../../src/proxy/proxy-protocol.ts'

/** What an upstream saw of one request. */
interface Seen {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly body: string
}

/** A real upstream that writes down what it gets. */
export interface Upstream {
  readonly origin: string
  readonly seen: Seen[]
  close(): Promise<void>
}

export const cleanups: (() => Promise<void>)[] = []

/** Closes what the test started; for `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
}

async function listening(server: Server | NetServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** Answers 200 `{"ok":true}` unless told otherwise. */
export async function startUpstream(
  handler: (req: IncomingMessage, res: ServerResponse) => void = answerOk,
): Promise<Upstream> {
  const seen: Seen[] = []
  const server = createServer({ maxHeaderSize: 65_536 }, (req, res) => {
    const chunks: Buffer[] = []
    const note = { method: req.method ?? '', url: req.url ?? '', rawHeaders: req.rawHeaders, body: '' }
    seen.push(note)
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      note.body = Buffer.concat(chunks).toString('latin1')
    })
    handler(req, res)
  })
  server.maxHeadersCount = 0
  const port = await listening(server)
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  cleanups.push(close)
  return { origin: `http://127.0.0.1:${port}`, seen, close }
}

export function answerOk(req: IncomingMessage, res: ServerResponse): void {
  req.resume()
  req.on('end', () => {
    res.setHeader('Content-Type', 'application/json')
    res.end('{"ok":true}')
  })
}

/** An upstream that is no HTTP server: what it does with a connection is up to the test. */
export async function startRawUpstream(onConnection: (socket: Socket) => void): Promise<{ origin: string }> {
  const sockets = new Set<Socket>()
  const server = createNetServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  const port = await listening(server)
  cleanups.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return { origin: `http://127.0.0.1:${port}` }
}

/** Writes down, in order, what was done with entitlements. */
export interface Books {
  readonly entries: string[]
  /** What the stub entitlement waits for. */
  serve?: () => Promise<void>
  release?: () => Promise<void>
}

export const TOKEN_ID = 'aa'.repeat(32)
export const PAYMENT_HASH = 'bb'.repeat(32)

/** Passes free routes, and paid ones with an entitlement that writes into `books`. */
export function passGate(
  books: Books = { entries: [] },
  options: { counted?: boolean; later?: boolean } = {},
): Gate {
  const { counted = true, later = false } = options
  const entitlement = (service: string): Entitlement => ({
    tokenId: TOKEN_ID,
    paymentHash: PAYMENT_HASH,
    service,
    counted,
    keepBytes: null,
    answerHeaders: counted ? ['RateLimit-Policy', '"calls";q=5', 'RateLimit', '"calls";r=4'] : [],
    serve: async () => {
      await books.serve?.()
      books.entries.push('serve')
    },
    draw: async () => true,
    commit: async () => {
      books.entries.push('commit')
    },
    release: async () => {
      books.entries.push('release')
      await books.release?.()
    },
  })
  return gateOf(({ route }) => {
    const decision: Decision = {
      outcome: 'pass',
      entitlement: route.free ? null : entitlement(route.service),
    }
    return later ? Promise.resolve(decision) : decision
  })
}

export const REFUSED: Refused = {
  outcome: 'refuse',
  reason: 'missing',
  status: 402,
  headers: [
    ...['WWW-Authenticate', 'L402 macaroon="M", invoice="I", version="0", token="M"'],
    ...['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store'],
  ],
  body: '{"code":"missing"}',
  grpc: false,
}

/** Passes free routes and refuses the others. */
export function refuseGate(): Gate {
  return gateOf(({ route }) => (route.free ? { outcome: 'pass', entitlement: null } : REFUSED))
}

export function gateOf(decide: (request: GateRequest) => Decision | Promise<Decision>): Gate {
  return {
    decide,
    wantsDigest: () => false,
    balance: () => Promise.reject(new Error('no balance')),
    cachedVerdicts: 0,
    heldChallenges: 0,
    verdictLookups: { hits: 0, misses: 0 },
  }
}

/** A route of the service `demo`. */
export function proxyRoute(origin: string, match: string, extra: Partial<ProxyRoute> = {}): ProxyRoute {
  const free = match.includes('free')
  const terms: RouteTerms = {
    service: 'demo',
    name: match,
    free,
    priceMsat: free ? 0n : 10_000n,
    grants: { calls: 1 },
    capability: match,
  }
  return {
    terms,
    upstream: { origin, basePath: '' },
    timeoutMs: 10_000,
    forwardCredential: false,
    allowEncodedSlash: false,
    keepOverrideHeaders: false,
    ...extra,
  }
}

/** `/free/*` and `/paid/*`, or the given routes, all to one upstream. */
export function tableOf(
  origin: string,
  matches: readonly string[] = ['/free/*', '/paid/*'],
  extra: Partial<ProxyRoute> = {},
): HostTable {
  return {
    routes: compileRoutes(matches.map((match) => ({ match, value: proxyRoute(origin, match, extra) }))),
  }
}

export interface Gateway {
  readonly port: number
  readonly dataPlane: DataPlane
  readonly server: PublicServer
}

export async function startGateway(options: {
  readonly routing: readonly HostTable[]
  readonly gate?: Gate
  readonly hooks?: DataPlaneHooks
  readonly connectionsPerOrigin?: number
  readonly server?: PublicServerOptions
  readonly trustedProxies?: NonNullable<DataPlaneOptions['trustedProxies']>
  readonly denied?: NonNullable<DataPlaneOptions['denied']>
  readonly holds?: NonNullable<DataPlaneOptions['holds']>
  /** Whom PROXY protocol headers are taken from. */
  readonly proxyHeaders?: ProxyHeaderOptions
}): Promise<Gateway> {
  const { gate = passGate(), server: limits, proxyHeaders, ...rest } = options
  const dataPlane = createDataPlane({ gate, ...rest })
  const server = createPublicServer(dataPlane, limits)
  if (proxyHeaders !== undefined) expectProxyHeader(server.listener, proxyHeaders)
  const port = await listening(server.listener)
  cleanups.push(async () => {
    const ended = server.close()
    server.closeAllConnections()
    await ended
    await dataPlane.close()
  })
  return { port, dataPlane, server }
}

/** A connection that bytes are written on as they stand. */
export function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  return socket
}

export interface RawAnswer {
  readonly status: number
  readonly head: string
  readonly body: string
}

/** Sends bytes and reads until the gateway closes the connection. */
export async function sendRaw(port: number, bytes: string): Promise<RawAnswer> {
  const socket = open(port)
  socket.write(bytes, 'latin1')
  return parseAnswer(await readAll(socket))
}

/** All that comes until the connection closes. */
export async function readAll(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  await closed(socket)
  return text
}

/** Resolves when the connection is gone, in whatever way. */
export async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

/** Reads until the text matches. */
export function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
      if (!pattern.test(text)) return
      socket.off('data', onData).off('close', onClose)
      resolve(text)
    }
    const onClose = (): void => reject(new Error(`the connection closed after: ${text}`))
    socket.on('data', onData).on('close', onClose)
  })
}

export function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0),
    head: text.slice(0, Math.max(end, 0)),
    body: end < 0 ? '' : text.slice(end + 4),
  }
}

/** A GET of `target` on a connection of its own. */
export function get(port: number, target: string, lines: readonly string[] = []): Promise<RawAnswer> {
  return sendRaw(port, request('GET', target, lines))
}

/** The text of a request without a body; the connection closes after it. */
export function request(method: string, target: string, lines: readonly string[] = []): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: gateway.test', 'Connection: close', ...lines, '', ''].join(
    '\r\n',
  )
}
