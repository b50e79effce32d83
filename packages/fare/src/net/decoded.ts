/** `--compressed`: content codings taken off, as they come. */

import { pipeline, Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'

import { HeaderList } from './header-list.ts'
import { PlainResponse } from './plain-response.ts'
import { assertWithin, counter, UNPACK_BOUNDS, type UnpackBounds } from './unpack-bounds.ts'

/** More than one coding on top of another is a trap, not a service. */
const MOST_CODINGS = 2

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
}

/**
 * The answer with its content codings taken off; as it is where they are unknown or too many. Its body breaks off with an
 * `UnpackError` where it becomes too large, whatever stands within what.
 */
export function decoded(response: Response, bounds: UnpackBounds = UNPACK_BOUNDS): Response {
  const codings = (response.headers.get('content-encoding') ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity')
  const decoders = codings.map((coding) => DECODERS[coding])
  if (response.body === null || codings.length === 0 || codings.length > MOST_CODINGS) return response
  if (decoders.some((decoder) => decoder === undefined)) return response
  const packed = counter()
  let stream: Readable = pipeline(Readable.fromWeb(response.body as never), packed.stream, () => {})
  for (const decoder of decoders.reverse()) {
    const unpacked = counter((count) => assertWithin(bounds, packed.count(), count))
    // What breaks shows at the end of the chain.
    if (decoder) stream = pipeline(stream, decoder(), unpacked.stream, () => {})
  }
  const headers = new HeaderList(response.headers)
  headers.delete('content-encoding')
  headers.delete('content-length')
  const { status, statusText } = response
  const body = Readable.toWeb(stream) as ReadableStream<Uint8Array<ArrayBuffer>>
  return new PlainResponse({ status, statusText, headers, body })
}
