import type { ClientRequest } from './client-side.ts'

/** A request's body that had to be read before anything else is done. */
export type WholeBody =
  | { readonly state: 'whole'; readonly bytes: Buffer }
  /** More than may be read; nothing arrived for too long; or the client left, or sent something malformed. */
  | { readonly state: 'too_large' | 'late' | 'gone' }

/** Reads a body of at most `mostBytes`; a client may take `timeoutMs` between two pieces. Never rejects. */
export function readWholeBody(
  req: ClientRequest,
  { mostBytes, timeoutMs }: { readonly mostBytes: number; readonly timeoutMs: number },
): Promise<WholeBody> {
  if (Number(req.headers['content-length'] ?? 0) > mostBytes) return Promise.resolve({ state: 'too_large' })
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    const end = (body: WholeBody): void => {
      clearTimeout(timer)
      req.off('data', onData).off('end', onEnd).off('close', onClose)
      req.pause()
      resolve(body)
    }
    const onData = (chunk: Buffer): void => {
      length += chunk.length
      timer.refresh()
      if (length > mostBytes) end({ state: 'too_large' })
      else chunks.push(chunk)
    }
    const onEnd = (): void =>
      end(req.complete ? { state: 'whole', bytes: Buffer.concat(chunks) } : { state: 'gone' })
    const onClose = (): void => end({ state: 'gone' })
    const timer = setTimeout(() => end({ state: 'late' }), timeoutMs)
    req.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}
