/** A real upstream that writes down every request and every byte it gets. */

import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  body: string
}

export interface Upstream {
  readonly origin: string
  readonly port: number
  readonly seen: Seen[]
  /** All bytes of all connections. */
  bytes(): string
  forget(): void
  close(): Promise<void>
}

const closers: (() => Promise<void>)[] = []

/** Closes every upstream. */
export async function closeUpstreams(): Promise<void> {
  for (const close of closers.splice(0)) await close()
}

/** Answers `{"ok":true}` when it has read the request, unless told otherwise. */
export async function startUpstream(
  answer: (req: IncomingMessage, res: ServerResponse) => void = (_, res) => void res.end('{"ok":true}'),
  port = 0,
): Promise<Upstream> {
  const seen: Seen[] = []
  let bytes = ''
  const http = createHttpServer({ maxHeaderSize: 65_536 }, (req, res) => {
    const { method = '', url = '', headers, rawHeaders } = req
    const note: Seen = { method, url, headers, rawHeaders, body: '' }
    seen.push(note)
    req.setEncoding('latin1').on('data', (chunk: string) => {
      note.body += chunk
    })
    answer(req, res)
  })
  const upstream = await startRawUpstream((socket) => {
    http.emit('connection', socket)
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.toString('latin1')
    })
  }, port)
  return {
    ...upstream,
    seen,
    bytes: () => bytes,
    forget() {
      seen.length = 0
      bytes = ''
    },
  }
}

/** An upstream that is no HTTP server: what it does with a connection is up to the test. */
export async function startRawUpstream(
  onConnection: (socket: Socket) => void,
  port = 0,
): Promise<{ origin: string; port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
    onConnection(socket)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  closers.push(close)
  const bound = (server.address() as AddressInfo).port
  return { origin: `http://127.0.0.1:${bound}`, port: bound, close }
}
