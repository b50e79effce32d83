/** Node's response, held until what is told to the books is told (protocol §5 rules 3 and 4). */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { encodeUtf8 } from '../../core/bytes.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import type { Settlement } from '../../server/gate.ts'
import type { StreamHold } from '../../server/held-stream.ts'
import { KeptBody } from '../../server/kept-body.ts'
import { linesForStatus } from '../../server/payment-scheme/receipt-lines.ts'
import { chunkBytes } from './chunk-bytes.ts'
import { countBody } from './count-body.ts'
import { type CutWatch, watchCut } from './node-cut.ts'
import { type NodeEvents, nodeEvents } from './node-events.ts'
import { cutOff } from './node-http2.ts'
import { addLines, applyHead, linesOf } from './node-lines.ts'
import { checkChunk, refuseLate } from './node-misuse.ts'
import { onceTold } from './once-told.ts'

/** What is held, and for whom. */
export interface NodeHeld extends StreamHold {
  readonly req: IncomingMessage
  readonly res: ServerResponse
}

/** How a request ended. */
type Ending = 'whole' | 'left' | 'broken' | 'failed'

/**
 * Watches what a handler does to its response: 5xx gives the use back, the end of anything else uses it, before the client
 * has the last of it. Answers a function that gives the use back for a handler that threw.
 */
export function holdResponse({ req, res, entitlement, metering }: NodeHeld): () => Promise<void> {
  const { keepBytes, answerHeaders, session } = entitlement
  const meter = metering?.meter ?? null
  const countRest = countBody(req, metering)
  const kept = new KeptBody(keepBytes)
  const measures = meter !== null || keepBytes !== null || session !== undefined
  const sees = measures && req.method !== 'HEAD'
  const writeHead = res.writeHead.bind(res) as (status: number, reason?: string) => ServerResponse
  const write = res.write.bind(res) as (...args: readonly unknown[]) => boolean
  const rawEnd = res.end.bind(res) as (...args: readonly unknown[]) => ServerResponse
  const rawDestroy = res.destroy.bind(res)
  const destroy = (error?: Error): ServerResponse => cutOff(res, rawDestroy, error)
  const connection = watchCut(req)
  let lines: HeaderLines = []
  let begun = false
  let ending = false
  // HTTP/2's `end` calls `write` for what it is given.
  let inEnd = false
  let settled: Promise<void> | undefined
  let events: NodeEvents | null = null

  function end(...args: readonly unknown[]): ServerResponse {
    Reflect.deleteProperty(res, 'writableEnded')
    inEnd = true
    try {
      return rawEnd(...args)
    } finally {
      inEnd = false
    }
  }

  /** Nobody is there any more who could be told of an error. */
  function endAtLast(...args: readonly unknown[]): void {
    try {
      end(...args)
    } catch (error) {
      destroy(error instanceof Error ? error : undefined)
    }
  }

  function settle(how: Ending): Promise<void> {
    settled ??= settleAs(how)
    return settled
  }

  function settleAs(how: Ending): Promise<void> {
    if (events !== null) return how === 'left' ? events.left() : events.brokeOff()
    if (how === 'failed') return entitlement.release()
    if (how === 'broken') {
      // What is certain to have been served is charged, and nothing that was only estimated.
      const certainMsat = meter?.soFarMsat ?? 0n
      return certainMsat > 0n ? entitlement.commit({ costMsat: certainMsat }) : entitlement.release()
    }
    const body = how === 'whole' ? kept.body() : undefined
    const settlement: Settlement = {
      ...(meter === null ? {} : { costMsat: meter.end(how === 'whole') }),
      ...(body === undefined ? {} : { answer: { status: res.statusCode, headers: lines, body } }),
    }
    return entitlement.commit(settlement)
  }

  /** The head is about to go out. */
  function begin(): void {
    if (begun) return
    begun = true
    connection.begin()
    if (res.statusCode >= 500) void settle('failed')
    else {
      if (measures) lines = linesOf(res)
      countRest()
      meter?.head(res.statusCode, lines)
      if (settled !== undefined) return
      addLines(res, linesForStatus(answerHeaders, res.statusCode))
      beginEvents()
    }
  }

  /** The event stream of a session goes its own way. */
  function beginEvents(): void {
    if (session === undefined) return
    const { method = 'GET' } = req
    events = nodeEvents(
      { res, write, end: endAtLast, destroy },
      { entitlement, metering },
      { method, status: res.statusCode, headers: lines },
    )
    // Its length is not known any more.
    if (events !== null) res.removeHeader('Content-Length')
  }

  function see(chunk: unknown, encoding: unknown): void {
    if (!sees || settled !== undefined) return
    const bytes = chunkBytes(chunk, encoding)
    if (bytes === undefined) return
    meter?.body(bytes)
    kept.add(bytes)
  }

  res.writeHead = ((status: number, ...rest: readonly unknown[]) => {
    // The head that had begun could not be sent, and this one says so.
    if (begun && !res.headersSent && status >= 500) void settle('failed')
    if (begun || status < 200) return (writeHead as (...args: readonly unknown[]) => unknown)(status, ...rest)
    res.statusCode = status
    applyHead(res, rest.at(-1))
    begin()
    return typeof rest[0] === 'string' ? writeHead(status, rest[0]) : writeHead(status)
  }) as ServerResponse['writeHead']

  res.write = ((chunk: unknown, encoding: unknown, ...rest: readonly unknown[]) => {
    if (inEnd) return write(chunk, encoding, ...rest)
    checkChunk(chunk, encoding)
    if (ending && events === null) return refuseLate(res, doneOf([encoding, ...rest]))
    if (!res.headersSent && !ending) res.writeHead(res.statusCode)
    const bytes = events === null ? undefined : chunkBytes(chunk, encoding)
    if (events !== null && bytes !== undefined) return events.write(bytes, doneOf([encoding, ...rest]))
    see(chunk, encoding)
    return write(chunk, encoding, ...rest)
  }) as ServerResponse['write']

  res.end = ((...args: readonly unknown[]) => {
    if (inEnd) return rawEnd(...args)
    const done = doneOf(args)
    const [chunk, encoding] = args.filter((arg) => typeof arg !== 'function')
    // Node passes over what is falsy.
    const body = chunk ? (chunk as string | Uint8Array) : undefined
    if (ending) {
      if (events !== null) return res
      if (body !== undefined) refuseLate(res, done)
      else if (done !== undefined) res.writableFinished ? process.nextTick(done) : res.once('finish', done)
      return res
    }
    if (body !== undefined) checkChunk(body, encoding)
    if (!res.headersSent) {
      sayLength(req, res, body, encoding)
      res.writeHead(res.statusCode)
    }
    if (events === null) see(body, encoding)
    if (events === null && !entitlement.counted) return end(...args)
    ending = true
    // Frameworks ask whether an answer has been given.
    Object.defineProperty(res, 'writableEnded', { value: true, configurable: true })
    if (events === null) onceTold(settle('whole'), () => endAtLast(body, encoding, done))
    else {
      if (done !== undefined) res.once('finish', done)
      events.end(chunkBytes(body, encoding))
    }
    return res
  }) as ServerResponse['end']

  res.destroy = (error) => {
    // The handler, or what it pipes, cuts its answer off.
    if (!ending && !res.closed) void settle(brokenBy(connection, begun))
    return destroy(error)
  }
  res.once('close', () => {
    if (settled !== undefined) return
    // Whoever has got the work done pays for it, and does not save that by leaving early.
    if (connection.wasCut()) void settle(begun ? 'broken' : 'failed')
    else void settle('left')
  })
  return async () => {
    if (!begun) return settle('failed')
    if (ending) return
    // As where what it pipes breaks off.
    const told = settle(brokenBy(connection, begun))
    if (events !== null) destroy()
    await told
  }
}

/** What a handler breaks off because its client has gone was the client's doing. */
function brokenBy(connection: CutWatch, begun: boolean): Ending {
  if (connection.hasLeft()) return 'left'
  return begun ? 'broken' : 'failed'
}

/** The function that may stand last among the arguments of `write` and `end`. */
function doneOf(args: readonly unknown[]): ((error?: Error | null) => void) | undefined {
  const done = args.find((arg) => typeof arg === 'function')
  return done as ((error?: Error | null) => void) | undefined
}

/** As Node says it itself where an answer is given in one piece. */
function sayLength(
  req: IncomingMessage,
  res: ServerResponse,
  body: string | Uint8Array | undefined,
  encoding: unknown,
): void {
  const { statusCode } = res
  if (req.method === 'HEAD' || statusCode < 200 || statusCode === 204 || statusCode === 304) return
  if (res.hasHeader('content-length') || res.hasHeader('transfer-encoding') || res.hasHeader('trailer'))
    return
  const length =
    typeof body !== 'string'
      ? (body?.length ?? 0)
      : encoding === undefined || typeof encoding === 'function'
        ? encodeUtf8(body).length
        : Buffer.byteLength(body, encoding as BufferEncoding)
  res.setHeader('Content-Length', length)
}
