/** What Node itself answers to a handler that writes what cannot be sent, said at the same moment where an answer is held. */

import type { ServerResponse } from 'node:http'
import { isBytes } from './chunk-bytes.ts'
import { streamOf } from './node-http2.ts'

/**
 * Refuses what is given to `write` or `end`, before anything of it is sent.
 *
 * @throws TypeError with Node's codes, for what is neither text nor bytes, and text in an encoding that Node does not know.
 */
export function checkChunk(chunk: unknown, encoding: unknown): void {
  if (typeof chunk === 'string') {
    if (!encoding || typeof encoding === 'function' || Buffer.isEncoding(String(encoding))) return
    throw withCode(new TypeError(`Unknown encoding: ${String(encoding)}`), 'ERR_UNKNOWN_ENCODING')
  }
  if (isBytes(chunk)) return
  const error = new TypeError(`expected a chunk of text or a Uint8Array, got ${typeof chunk}`)
  throw withCode(error, chunk === null ? 'ERR_STREAM_NULL_VALUES' : 'ERR_INVALID_ARG_TYPE')
}

/** As `write` answers once `end` was called. Nothing is sent. */
export function refuseLate(res: ServerResponse, done: ((error: Error) => void) | undefined): false {
  const error = withCode(new Error('write after end'), 'ERR_STREAM_WRITE_AFTER_END')
  process.nextTick(() => {
    done?.(error)
    // HTTP/2's response tells the callback alone.
    if (!res.destroyed && streamOf(res) === undefined) res.emit('error', error)
  })
  return false
}

function withCode(error: Error, code: string): Error {
  return Object.assign(error, { code })
}
