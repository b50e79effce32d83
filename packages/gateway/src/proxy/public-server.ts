import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type OwnProblem, rawProblem } from './answers.ts'
import type { DataPlane } from './data-plane.ts'
import { lingerUntilQuiet, stopListening } from './lingering.ts'
import { methodNotAllowed } from './own-problems.ts'

/** Limits of a public listener. */
export interface PublicServerOptions {
  /** All header lines of a request together; beyond it 431. Must let a 16 KiB credential through (V6). @default 32768 */
  readonly maxHeaderBytes?: number
  /** How long a client may take to send its header lines; beyond it 408. @default 30000 */
  readonly headersTimeoutMs?: number
  /** How long a connection may be idle between requests; more than the clients' own. @default 65000 */
  readonly keepAliveTimeoutMs?: number
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

/** Makes a `node:http` server for the open internet: strict parsing, bounded headers, every answer a problem of ours. */
export function createPublicServer(dataPlane: DataPlane, options: PublicServerOptions = {}): Server {
  const { maxHeaderBytes = 32_768, headersTimeoutMs = 30_000, keepAliveTimeoutMs = 65_000 } = options
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
  server.on('clientError', answerUnreadable)
  return server
}

/** Stops listening and lets what runs finish; after `timeoutMs` it is cut off. Resolves to whether all of it finished. */
export async function drainServers(
  servers: readonly Server[],
  dataPlane: DataPlane,
  timeoutMs: number,
): Promise<boolean> {
  const closed = servers.map((server) => new Promise<void>((resolve) => server.once('close', resolve)))
  for (const server of servers) stopListening(server)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, false)
  })
  // Every answer from here on says that it is the last.
  void dataPlane.drain()
  const quiet = lingerUntilQuiet(servers, () => dataPlane.inFlight() > 0).then(() => true as const)
  const finished = await Promise.race([quiet, late])
  clearTimeout(timer)
  for (const server of servers) {
    // Ends the server's own timers, too.
    server.close()
    server.closeAllConnections()
  }
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
