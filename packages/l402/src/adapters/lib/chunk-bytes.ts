/** Also for bytes of another realm, as Node takes them; `node:util/types` is not where bundles go. */
export function isBytes(chunk: unknown): chunk is Uint8Array {
  return ArrayBuffer.isView(chunk) && Object.prototype.toString.call(chunk) === '[object Uint8Array]'
}

/** The bytes of what is given to `write` or `end`; `undefined` for what is neither text nor bytes. */
export function chunkBytes(chunk: unknown, encoding: unknown): Uint8Array | undefined {
  if (typeof chunk === 'string')
    return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
  return isBytes(chunk) ? chunk : undefined
}
