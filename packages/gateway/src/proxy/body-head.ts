import type { ClientRequest } from './client-side.ts'

/** How a request's body begins. */
export type BodyHead =
  /** The first bytes; all of what was read is back in the request, for whoever reads on. */
  | { readonly state: 'head'; readonly bytes: Buffer }
  /** The whole of it; nothing is left in the request. */
  | { readonly state: 'whole'; readonly bytes: Buffer }
  /** Nothing arrived for too long; or the client left, or sent something malformed. */
  | { readonly state: 'late' }
  | { readonly state: 'gone' }

/** Reads the first `mostBytes` of a body; a client may take `timeoutMs` between two pieces. Never rejects. */
export function readBodyHead(
  req: ClientRequest,
  { mostBytes, timeoutMs }: { readonly mostBytes: number; readonly timeoutMs: number },
): Promise<BodyHead> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    const end = (body: BodyHead): void => {
      clearTimeout(timer)
      req.off('data', onData).off('end', onEnd).off('close', onClose)
      req.pause()
      resolve(body)
    }
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      length += chunk.length
      timer.refresh()
      if (length < mostBytes) return
      const read = Buffer.concat(chunks)
      end({ state: 'head', bytes: read.subarray(0, mostBytes) })
      req.unshift(read)
    }
    const onEnd = (): void => end({ state: 'whole', bytes: Buffer.concat(chunks) })
    const onClose = (): void => end({ state: 'gone' })
    const timer = setTimeout(() => end({ state: 'late' }), timeoutMs)
    req.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}
