import zlib from 'node:zlib'

/** What a coded body of at most 1 MiB may come to. */
const MAX_DECODED_BYTES = 8 * 1024 * 1024

type Undo = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array

const undoing = new Map<string, Undo>([
  ['gzip', zlib.gunzipSync],
  ['x-gzip', zlib.gunzipSync],
  ['deflate', inflate],
  ['br', zlib.brotliDecompressSync],
])
// From Node 22.15 on.
if ('zstdDecompressSync' in zlib)
  undoing.set('zstd', (bytes, { maxOutputLength }) => zlib.zstdDecompressSync(bytes, { maxOutputLength }))

/**
 * A whole body without its content coding, for the meter; `undefined` for a coding that is not known here, for garbage, and
 * for more than 8 MiB.
 */
export function decodeBody(coding: string, bytes: Uint8Array): Uint8Array | undefined {
  try {
    return undoing.get(coding)?.(bytes, { maxOutputLength: MAX_DECODED_BYTES })
  } catch {
    return undefined
  }
}

/** RFC 9110 §8.4.1.2: zlib's format; some senders leave its frame out. */
function inflate(bytes: Uint8Array, options: { readonly maxOutputLength: number }): Uint8Array {
  try {
    return zlib.inflateSync(bytes, options)
  } catch (error) {
    if (error instanceof RangeError) throw error
    return zlib.inflateRawSync(bytes, options)
  }
}
