/** An HTTP/1.1 front before a server that speaks HTTP/2 alone, so that clients of HTTP/1.1 can test it. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect, constants, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { listen, type Running } from '../matrix.ts'

// Of one connection, and none that HTTP/2 knows (RFC 9113 §8.2.2).
const HOP: ReadonlySet<string> = new Set(['connection', 'host', 'keep-alive', 'transfer-encoding'])

/** Listens on a free port, each request on one HTTP/2 connection of all. */
export async function listenBehindFront(server: Http2Server): Promise<Running> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve())
  })
  // Node's types do not know it yet.
  const options: object = { strictSingleValueFields: false }
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, options)
  session.on('error', () => {})
  const { port, close } = await listen(createServer((req, res) => forward(session, req, res)))
  return {
    port,
    async close() {
      await close()
      session.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function forward(session: ClientHttp2Session, req: IncomingMessage, res: ServerResponse): void {
  const bodiless = req.headers['content-length'] === undefined && !('transfer-encoding' in req.headers)
  const stream = session.request(
    {
      ':method': req.method,
      ':path': req.url,
      ':authority': req.headers.host,
      ...Object.fromEntries(Object.entries(req.headersDistinct).filter(([name]) => !HOP.has(name))),
    },
    { endStream: bodiless },
  )
  if (!bodiless) req.pipe(stream)
  stream.on('response', ({ ':status': status = 500, ...headers }) => {
    res.writeHead(status, headers)
    res.flushHeaders()
    stream.pipe(res, { end: false })
  })
  // `end` comes too where the stream is reset.
  stream
    .on('error', () => {})
    .on('close', () => {
      const whole = stream.rstCode === constants.NGHTTP2_NO_ERROR && !stream.aborted
      if (!res.headersSent) res.writeHead(400)
      if (whole) res.end()
      else res.destroy()
    })
  res.on('close', () => stream.close(constants.NGHTTP2_CANCEL))
}
