import { isUint8Array } from 'node:util/types'

/** The bytes of what is given to `write` or `end`; `undefined` for what is neither text nor bytes. */
export function chunkBytes(chunk: unknown, encoding: unknown): Uint8Array | undefined {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  return isUint8Array(chunk) ? chunk : undefined
}
