/** Where the compatible half of `node:http2` differs from `node:http`, whose types it is given out for. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from 'node:http2'

type Request = IncomingMessage | Http2ServerRequest

/** The stream of an HTTP/2 request or response; `undefined` for HTTP/1. */
export function streamOf(
  message: Request | ServerResponse | Http2ServerResponse,
): ServerHttp2Stream | undefined {
  return 'stream' in message ? message.stream : undefined
}

/** Whether the client is gone: HTTP/2's response does not say it itself, and its `close` is not told a second time. */
export function isGone(res: ServerResponse): boolean {
  return res.destroyed || res.closed || streamOf(res)?.destroyed === true
}

/** Scheme and authority that the client asked, the scheme as a framework has it; `undefined` where it named none. */
export function baseOf({ headers, socket }: Request, protocol?: string): string | undefined {
  const host = headers[':authority'] ?? headers.host
  if (typeof host !== 'string') return undefined
  const scheme = 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http'
  return `${protocol ?? scheme}://${host}`
}

/** Whether a body may follow whose length is not stated. */
export function hasUnstatedBody(req: IncomingMessage): boolean {
  const stream = streamOf(req)
  return stream === undefined ? req.headers['transfer-encoding'] !== undefined : !stream.endAfterHeaders
}

/** Whether all of the body has arrived, read or not: HTTP/2's `complete` says it only once all is read. */
export function hasArrived(req: IncomingMessage): boolean {
  const stream = streamOf(req)
  return stream === undefined ? req.complete : stream.readableEnded && !stream.aborted
}

/** Cuts an answer off. Without an error HTTP/2's would end like a whole one. */
export function cutOff(
  res: ServerResponse,
  destroy: ServerResponse['destroy'],
  error?: Error,
): ServerResponse {
  const why = streamOf(res) === undefined ? error : (error ?? new Error('the answer was cut off'))
  return destroy(why)
}
