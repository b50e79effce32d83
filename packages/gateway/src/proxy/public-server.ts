import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import { createServer as createListener, type Server as Listener, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type OwnProblem, rawProblem } from './answers.ts'
import type { DataPlane } from './data-plane-types.ts'
import { readFirstBytes } from './first-bytes.ts'
import { createH2Sessions } from './h2-sessions.ts'
import { lingerUntilQuiet } from './lingering.ts'
import { methodNotAllowed } from './own-problems.ts'
import { createTlsFront, type TlsMaterial } from './tls-front.ts'

/** Limits of a public listener. */
export interface PublicServerOptions {
  /** All header lines of a request together; beyond it 431. Must let a 16 KiB credential through (V6). @default 32768 */
  readonly maxHeaderBytes?: number
  /** How long a client may take to send its header lines; beyond it 408. @default 30000 */
  readonly headersTimeoutMs?: number
  /** How long a connection may be idle between requests; more than the clients' own. @default 65000 */
  readonly keepAliveTimeoutMs?: number
  /** Left out: plaintext. */
  readonly tls?: TlsMaterial
}

/** A public listener: HTTP/1.0, HTTP/1.1 and HTTP/2 on one port. */
export interface PublicServer {
  /** What listens; hands every connection to {@link PublicServer.accept}. */
  readonly listener: Listener
  /** Serves a connection: TLS where the listener has it, else by its first bytes. */
  accept(socket: Socket): void
  /** Another certificate for connections from now on. Throws, and changes nothing, for a pair that does not fit together. */
  renewTls(material: TlsMaterial): void
  /** How many connections are open. */
  readonly connections: number
  /** Takes no more connections. Those there are stay open; over HTTP/2 clients are told that they take no more requests. */
  stopListening(): void
  /** Closes connections on which nothing is under way. */
  closeIdleConnections(): void
  /** Stops listening and closes connections as they fall idle. Resolves when all have ended. */
  close(): Promise<void>
  closeAllConnections(): void
}

const UNREADABLE: OwnProblem = {
  code: 'bad_request',
  detail: 'the bytes that were sent are not a well-formed HTTP/1.1 request',
}
const BY_ERROR = new Map<unknown, OwnProblem>([
  [
    'HPE_HEADER_OVERFLOW',
    { code: 'header_too_large', detail: 'the header lines of the request are too long' },
  ],
  [
    'HPE_CHUNK_EXTENSIONS_OVERFLOW',
    {
      code: 'chunk_extensions_too_large',
      detail: 'the chunk extensions of the body are too long',
    },
  ],
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    { code: 'request_timeout', detail: 'the header lines did not arrive in time' },
  ],
])

/** Makes a listener for the open internet: strict parsing, bounded headers, every answer a problem of ours. */
export function createPublicServer(dataPlane: DataPlane, options: PublicServerOptions = {}): PublicServer {
  const { maxHeaderBytes = 32_768, headersTimeoutMs = 30_000, keepAliveTimeoutMs = 65_000 } = options
  const h1 = createH1Server(dataPlane, { maxHeaderBytes, headersTimeoutMs, keepAliveTimeoutMs })
  const h2 = createH2Sessions(dataPlane, {
    // Each line counts for 32 bytes more than it has.
    maxHeaderBytes: 2 * maxHeaderBytes,
    idleTimeoutMs: keepAliveTimeoutMs,
  })
  const sockets = new Set<Socket>()
  // Those that have not said which protocol they speak.
  const silent = new Set<Socket>()
  let closed: Promise<void> | undefined
  const stopListening = (): Promise<void> => {
    closed ??= new Promise<void>((resolve) => listener.close(() => resolve()))
    h2.close()
    return closed
  }
  const serve = (socket: Socket, speaksH2: boolean): void => {
    silent.delete(socket)
    if (!knowsPeer(socket)) return
    if (speaksH2) h2.accept(socket)
    else h1.emit('connection', socket)
  }
  const tls = options.tls === undefined ? undefined : createTlsFront(options.tls, headersTimeoutMs, serve)
  const accept = (socket: Socket): void => {
    if (!knowsPeer(socket)) return
    sockets.add(socket)
    if (tls === undefined) silent.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      silent.delete(socket)
    })
    if (tls === undefined) readFirstBytes(socket, headersTimeoutMs, serve)
    else tls.accept(socket)
  }
  const listener = createListener({ allowHalfOpen: true, noDelay: true }, accept)
  return {
    listener,
    accept,
    renewTls: (material) => tls?.renew(material),
    get connections() {
      return sockets.size
    },
    stopListening: () => void stopListening(),
    closeIdleConnections() {
      h1.closeIdleConnections()
      for (const socket of silent) socket.destroy()
    },
    async close() {
      const ended = stopListening()
      // Closes those that are idle, and ends the server's own timers.
      h1.close()
      await ended
    },
    closeAllConnections() {
      h1.closeAllConnections()
      h2.destroy()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/**
 * Asks for the client's address while there is one: the socket remembers it, so that a request whose client has just left is
 * held to the same lists and limits as any other.
 */
function knowsPeer(socket: Socket): boolean {
  if (socket.remoteAddress !== undefined) return true
  socket.destroy()
  return false
}

function createH1Server(
  dataPlane: DataPlane,
  { maxHeaderBytes, headersTimeoutMs, keepAliveTimeoutMs }: Required<Omit<PublicServerOptions, 'tls'>>,
): Server {
  const server = createServer({
    // Said outright: a flag or NODE_OPTIONS must not switch the lenient parser on.
    insecureHTTPParser: false,
    // The data plane looks for itself, and answers in its own manner.
    requireHostHeader: false,
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(5_000, headersTimeoutMs),
    // Bodies may stream for as long as they like; header lines may not (headersTimeout).
    requestTimeout: 0,
    // Any other protocol that a client offers to change to is none of ours (RFC 9110 §7.8): its request is served as it is.
    shouldUpgradeCallback: isWebSocket,
  })
  // Node drops what is above a count without a word: the limit in bytes is enough.
  server.maxHeadersCount = 0
  const { listener } = dataPlane
  server.on('request', listener)
  // The gate decides first; a request it lets through gets its 100 Continue then.
  server.on('checkContinue', listener)
  server.on('checkExpectation', listener)
  server.on('connect', (req: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => {})
    socket.end(rawProblem(methodNotAllowed(req.method ?? 'CONNECT')))
  })
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, first: Buffer) => {
    const res = new ServerResponse(req)
    res.shouldKeepAlive = false
    try {
      res.assignSocket(socket as Socket)
    } catch {
      // Pipelined behind a request whose answer is not out: there is no way to answer both.
      socket.destroy()
      return
    }
    res.once('finish', () => {
      res.detachSocket(socket as Socket)
      if (res.statusCode === 101) return
      socket.end()
      res.emit('close')
    })
    dataPlane.listener(req, res, { socket, first, over: () => res.emit('close') })
  })
  server.on('clientError', answerUnreadable)
  // Starts the watch over slow header lines; connections come from the listener before it.
  server.emit('listening')
  return server
}

function isWebSocket({ method, httpVersion, headers: { upgrade } }: IncomingMessage): boolean {
  return method === 'GET' && httpVersion === '1.1' && upgrade?.toLowerCase() === 'websocket'
}

/** Stops listening and lets what runs finish; after `timeoutMs` it is cut off. Resolves to whether all of it finished. */
export async function drainServers(
  servers: readonly PublicServer[],
  dataPlane: DataPlane,
  timeoutMs: number,
): Promise<boolean> {
  for (const server of servers) server.stopListening()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false)
  })
  // Every answer from here on says that it is the last.
  void dataPlane.drain()
  const quiet = lingerUntilQuiet(servers, () => dataPlane.inFlight() > 0).then(() => true as const)
  const finished = await Promise.race([quiet, late])
  clearTimeout(timer)
  const closed = servers.map((server) => server.close())
  for (const server of servers) server.closeAllConnections()
  await Promise.all(closed)
  return finished
}

/** Bytes that are no request, or stopped being one: an answer where none has begun, and then the end. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  socket.on('error', () => {})
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const current = currentResponse(socket)
  if (current?.req.complete === true) {
    // The request under way is whole; what came after it is not. It gets its answer, and the connection ends there.
    current.shouldKeepAlive = false
    if (current.headersSent) current.once('finish', () => socket.end())
    return
  }
  if (current?.headersSent === true) {
    // The body went bad under an answer that has begun: it must not look whole.
    socket.destroy()
    return
  }
  socket.write(rawProblem(BY_ERROR.get(error.code) ?? UNREADABLE))
  // Closing cuts off the request whose body went bad, and its upstream.
  if ('destroySoon' in socket && typeof socket.destroySoon === 'function') socket.destroySoon()
  else socket.destroy()
}

/** The answer that owns the socket now. Node's own handler of this event looks at the same place. */
function currentResponse(socket: Duplex): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse })._httpMessage
}
