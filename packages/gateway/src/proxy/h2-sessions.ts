import {
  createServer,
  type Http2Server,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { DataPlane } from './data-plane-types.ts'
import { H2Answer } from './h2-answer.ts'
import { flatLines } from './h2-lines.ts'
import { H2Request } from './h2-request.ts'

/** Limits of the HTTP/2 side of a listener. */
export interface H2Limits {
  /** All header lines of a request together, 32 bytes for each counted in (RFC 9113 §6.5.2); beyond it the stream is reset. */
  readonly maxHeaderBytes: number
  /** A connection without requests is closed after this. */
  readonly idleTimeoutMs: number
}

/** Connections that speak HTTP/2. */
export interface H2Sessions {
  /** Takes a connection over whose client speaks HTTP/2, its first bytes unread. */
  accept(socket: Socket): void
  /** No more requests (GOAWAY); those under way are finished, and then each connection closes. */
  close(): void
  destroy(): void
}

const MAX_CONCURRENT_STREAMS = 256

/**
 * Serves HTTP/2 with bounds on what a client can make the gateway hold or do: streams at a time, header bytes and lines,
 * resets per second (CVE-2023-44487), settings, unanswered pings, memory of a connection. nghttp2 itself refuses what is not
 * well formed: upper case, `Connection` and its like, `te` other than `trailers`, missing or double pseudo fields.
 */
export function createH2Sessions(
  dataPlane: DataPlane,
  { maxHeaderBytes, idleTimeoutMs }: H2Limits,
): H2Sessions {
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new WeakMap<Http2Session, Socket>()
  let accepting: Socket | undefined
  const server: Http2Server = createServer({
    settings: {
      maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
      maxHeaderListSize: maxHeaderBytes,
      enablePush: false,
    },
    maxHeaderListPairs: 512,
    maxSettings: 32,
    maxOutstandingPings: 10,
    maxSessionMemory: 32,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    streamResetBurst: 1_000,
    streamResetRate: 33,
    strictSingleValueFields: false,
  })
  server.on('sessionError', () => {})
  server.on('session', (session) => {
    sessions.add(session)
    if (accepting !== undefined) sockets.set(session, accepting)
    let open = 0
    const idle = setTimeout(() => {
      if (open > 0) return
      session.close()
      session.destroy()
    }, idleTimeoutMs)
    session.once('close', () => {
      clearTimeout(idle)
      sessions.delete(session)
    })
    session.on('stream', (stream) => {
      open++
      stream.once('close', () => {
        open--
        if (open === 0 && !session.destroyed) idle.refresh()
      })
    })
  })
  server.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw?: string[]) => {
      stream.on('error', ignore)
      const socket = stream.session === undefined ? undefined : sockets.get(stream.session)
      if (socket === undefined || stream.destroyed) return
      const req = new H2Request(stream, { headers, raw: raw ?? flatLines(headers), socket })
      dataPlane.listener(req, new H2Answer(stream, req))
    },
  )
  return {
    accept(socket) {
      // Half open, it would not say that its client is gone.
      socket.allowHalfOpen = false
      accepting = socket
      server.emit('connection', socket)
      accepting = undefined
    },
    close() {
      for (const session of sessions) session.close()
    },
    destroy() {
      for (const session of sessions) session.destroy()
    },
  }
}

function ignore(): void {}
