import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import { Readable } from 'node:stream'
import { flatLines, h2Headers, h2RequestHeaders } from './h2-lines.ts'
import { RequestBody } from './request-body.ts'
import type { UpstreamHandler, UpstreamRequest } from './upstream-pools.ts'

/** One request for an HTTP/2 upstream, and who is told what becomes of it. */
export interface H2Job {
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  /** How often it has been sent. */
  tries: number
}

/** A connection that could take no more of it: the request was not processed. */
export type Unprocessed = (job: H2Job) => void

const MAX_TRIES = 3

/** What `undici` says where a connection ends under a request; see `upstreamFault`. */
export function closedError(): Error {
  return Object.assign(new Error('the upstream closed the stream'), { code: 'UND_ERR_SOCKET' })
}

/**
 * Sends one request on a session, and tells its handler as undici would. `unprocessed` gets it back where the upstream says that
 * it did nothing of it (REFUSED_STREAM, or above the last stream of a GOAWAY) and it can be sent once more. Answers the
 * stream, or `undefined` where the request is not wanted any more.
 */
export function sendH2(
  session: ClientHttp2Session,
  authority: { readonly scheme: string; readonly host: string },
  { job, unprocessed }: { readonly job: H2Job; readonly unprocessed: Unprocessed },
): ClientHttp2Stream | undefined {
  const { request, handler } = job
  const body = request.body instanceof Readable ? request.body : null
  const bytes = Buffer.isBuffer(request.body) ? request.body : null
  let stream: ClientHttp2Stream | undefined
  let over = false
  let headed = false
  let sent = 0
  let trailers: string[] = []

  // Not at once: where another connection's end is what is being told, Node closes the stream and sends no RST_STREAM.
  const cancel = (): void => void setImmediate(() => stream?.close(constants.NGHTTP2_CANCEL))
  const abort = (): void => {
    if (over) return
    over = true
    stopBody()
    cancel()
  }
  const fail = (error: Error): void => {
    if (over) return
    over = true
    stopBody()
    const refused = stream?.rstCode === constants.NGHTTP2_REFUSED_STREAM
    if (refused && !headed && sent === 0 && job.tries < MAX_TRIES) unprocessed(job)
    else handler.onError?.(stream?.rstCode === undefined || body?.errored === error ? error : closedError())
    cancel()
  }
  const complete = (): void => {
    if (over) return
    over = true
    stopBody()
    handler.onComplete?.(trailers.length > 0 ? trailers : null)
    // Answered before it had the whole request: the rest is of no use (RFC 9113 §8.1).
    if (stream !== undefined && !stream.writableEnded) {
      body?.destroy()
      stream.close(constants.NGHTTP2_NO_ERROR)
    }
  }
  const onBody = (chunk: Buffer): void => {
    sent += chunk.length
    handler.onBodySent?.(chunk)
    if (stream?.write(chunk) === false) body?.pause()
  }
  const onBodyEnd = (): void => void stream?.end()
  const onDrain = (): void => void body?.resume()
  function stopBody(): void {
    body?.off('data', onBody).off('end', onBodyEnd).off('error', fail).pause()
  }

  try {
    handler.onConnect?.(abort)
  } catch {
    return undefined
  }
  job.tries++
  try {
    stream = session.request(
      {
        ':method': String(request.method),
        ':path': request.path,
        ':scheme': authority.scheme,
        ':authority': authority.host,
        ...h2RequestHeaders(request.headers as string[]),
      },
      { endStream: body === null && bytes === null, waitForTrailers: body !== null },
    )
  } catch (error) {
    over = true
    handler.onError?.(error instanceof Error ? error : closedError())
    return undefined
  }
  stream
    .on('error', fail)
    .on('close', () => fail(closedError()))
    .on('drain', onDrain)
    .on('headers', (headers: IncomingHttpHeaders, _: number, raw?: string[]) => {
      if (!over)
        handler.onHeaders?.(Number(headers[':status']), buffers(raw ?? flatLines(headers)), onDrain, '')
    })
    .on('trailers', (headers: IncomingHttpHeaders, _: number, raw?: string[]) => {
      trailers = raw ?? flatLines(headers)
    })
    .on('response', (headers: IncomingHttpHeaders, flags: number, raw?: string[]) => {
      if (over || stream === undefined) return
      headed = true
      const lines = buffers(raw ?? flatLines(headers))
      const more = handler.onHeaders?.(Number(headers[':status']), lines, () => stream?.resume(), '')
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) {
        stream.resume()
        complete()
        return
      }
      stream.on('data', (chunk: Buffer) => {
        if (!over && handler.onData?.(chunk) === false) stream?.pause()
      })
      // `end` comes too where the connection broke under the answer.
      stream.on('end', () => {
        if (stream?.destroyed === true || stream?.aborted === true) fail(closedError())
        else complete()
      })
      if (more === false) stream.pause()
    })
    .on('wantTrailers', () => {
      const lines = body instanceof RequestBody ? body.trailers : []
      // Node ends what it closes: a request that broke off must not look whole.
      if (!over && stream?.destroyed === false) stream.sendTrailers(h2Headers(lines))
    })
  if (body !== null) {
    stream.once('finish', () => handler.onRequestSent?.())
    body.on('data', onBody).on('end', onBodyEnd).on('error', fail)
  } else if (bytes !== null) {
    handler.onBodySent?.(bytes)
    stream.once('finish', () => handler.onRequestSent?.())
    stream.end(bytes)
  } else handler.onRequestSent?.()
  return stream
}

function buffers(raw: readonly string[]): Buffer[] {
  const out: Buffer[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.startsWith(':') === true) continue
    out.push(Buffer.from(raw[i] ?? '', 'latin1'), Buffer.from(raw[i + 1] ?? '', 'latin1'))
  }
  return out
}
