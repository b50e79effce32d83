/** The bytes of a request's body, where they are charged. */

import type { IncomingMessage } from 'node:http'
import type { StreamMetering } from '../../server/payment-scheme/session/stream/session-stream.ts'
import { chunkBytes } from './chunk-bytes.ts'
import { hasArrived, hasUnstatedBody, streamOf } from './node-http2.ts'

/** What `Content-Length` says, in bytes; `null` where it does not, or the body comes in chunks all the same. */
export function statedBytes(req: IncomingMessage): number | null {
  const stated = req.headers['content-length']
  const known = stated !== undefined && /^[0-9]{1,15}$/.test(stated)
  return known && req.headers['transfer-encoding'] === undefined ? Number(stated) : null
}

/** Whether nobody can say any more how long the body is: its length is not stated, and some of it was read before. */
export function isUncounted(req: IncomingMessage): boolean {
  return statedBytes(req) === null && hasUnstatedBody(req) && wasRead(req)
}

function wasRead(req: IncomingMessage): boolean {
  if (req.readableDidRead) return true
  // What waits to be read is counted, unless it is text by now, or was read behind the back of HTTP/2's request.
  return req.readableLength > 0 ? req.readableEncoding !== null : streamOf(req)?.readableDidRead === true
}

function countsNothing(): void {}

/**
 * Tells the meter of every byte of the body as it comes, where the charge counts them. Answers a function for when the
 * answer begins: from then on a body of stated length counts whole.
 */
export function countBody(req: IncomingMessage, metering: StreamMetering | null): () => void {
  if (metering?.charge.requestByte === undefined) return countsNothing
  const { meter } = metering
  const stated = statedBytes(req)
  let total = 0
  let over = false
  const add = (bytes: number): void => {
    if (over) return
    total += bytes
    meter.request(bytes)
  }
  const addRest = (): void => {
    if (stated === null) return
    add(Math.max(0, stated - total))
    over = true
  }
  if (stated !== null && hasArrived(req)) {
    addRest()
    return countsNothing
  }
  // HTTP/2's request is fed by its stream, which a handler may read as well.
  const source = streamOf(req) ?? req
  add(req.readableLength + (source === req ? 0 : source.readableLength))
  const push = source.push.bind(source)
  source.push = (chunk: unknown, encoding?: BufferEncoding) => {
    add(chunkBytes(chunk, encoding)?.length ?? 0)
    return push(chunk, encoding)
  }
  return addRest
}
