/** Node's response, held until what is told to the books is told (protocol §5 rules 3 and 4). */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { encodeUtf8 } from '../../core/bytes.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import type { Entitlement, Settlement } from '../../server/gate.ts'
import { KeptBody } from '../../server/kept-body.ts'
import type { Meter } from '../../server/metering/meter.ts'
import { linesForStatus } from '../../server/payment-scheme/receipt-lines.ts'
import { addLines, applyHead, linesOf } from './node-lines.ts'

/** What is held, and for whom. */
export interface NodeHeld {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly entitlement: Entitlement
  readonly meter: Meter | null
}

/** How a request ended. */
type Ending = 'whole' | 'left' | 'broken' | 'failed'

/**
 * Watches what a handler does to its response: 5xx gives the use back, the end of anything else uses it, before the client
 * has the last of it. Answers a function that gives the use back for a handler that threw.
 */
export function holdResponse({ req, res, entitlement, meter }: NodeHeld): () => Promise<void> {
  const { keepBytes, answerHeaders } = entitlement
  const kept = new KeptBody(keepBytes)
  const measures = meter !== null || keepBytes !== null
  const sees = measures && req.method !== 'HEAD'
  const writeHead = res.writeHead.bind(res) as (status: number, reason?: string) => ServerResponse
  const write = res.write.bind(res) as (...args: readonly unknown[]) => boolean
  const end = res.end.bind(res) as (...args: readonly unknown[]) => ServerResponse
  const destroy = res.destroy.bind(res)
  let lines: HeaderLines = []
  let begun = false
  let ending = false
  let settled: Promise<void> | undefined

  function settle(how: Ending): Promise<void> {
    settled ??= settleAs(how)
    return settled
  }

  function settleAs(how: Ending): Promise<void> {
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
    if (res.statusCode >= 500) void settle('failed')
    else {
      if (measures) lines = linesOf(res)
      meter?.request(Number(req.headers['content-length'] ?? 0) || 0)
      meter?.head(res.statusCode, lines)
      if (settled === undefined) addLines(res, linesForStatus(answerHeaders, res.statusCode))
    }
  }

  function see(chunk: unknown, encoding: unknown): void {
    if (!sees || settled !== undefined) return
    const bytes =
      typeof chunk === 'string'
        ? Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
        : chunk
    if (!(bytes instanceof Uint8Array)) return
    meter?.body(bytes)
    kept.add(bytes)
  }

  res.writeHead = ((status: number, ...rest: readonly unknown[]) => {
    if (begun || status < 200) return (writeHead as (...args: readonly unknown[]) => unknown)(status, ...rest)
    res.statusCode = status
    applyHead(res, rest.at(-1))
    begin()
    return typeof rest[0] === 'string' ? writeHead(status, rest[0]) : writeHead(status)
  }) as ServerResponse['writeHead']

  res.write = ((chunk: unknown, encoding: unknown, ...rest: readonly unknown[]) => {
    if (!res.headersSent && !ending) res.writeHead(res.statusCode)
    see(chunk, encoding)
    return write(chunk, encoding, ...rest)
  }) as ServerResponse['write']

  res.end = ((...args: readonly unknown[]) => {
    if (ending) return end(...args)
    const [chunk, encoding] = args
    const body = typeof chunk === 'string' || chunk instanceof Uint8Array ? chunk : undefined
    if (!res.headersSent) {
      sayLength(req, res, body, encoding)
      res.writeHead(res.statusCode)
    }
    see(body, encoding)
    if (!entitlement.counted) return end(...args)
    ending = true
    // Frameworks ask whether an answer has been given.
    Object.defineProperty(res, 'writableEnded', { value: true, configurable: true })
    onceDone(settle('whole'), () => {
      Reflect.deleteProperty(res, 'writableEnded')
      end(...args)
    })
    return res
  }) as ServerResponse['end']

  res.destroy = (error) => {
    // The handler, or what it pipes, cuts its answer off.
    if (!ending && !res.closed) void settle(begun ? 'broken' : 'failed')
    return destroy(error)
  }
  // Whoever has got the work done pays for it, and does not save that by leaving early.
  res.once('close', () => void settle('left'))
  return () => settle('failed')
}

/** What the client waits for until it has the last byte; books that are down go on trying by themselves. */
const WAIT_MS = 1_000

function onceDone(done: Promise<void>, then: () => void): void {
  let timer: NodeJS.Timeout | undefined
  let gone = false
  const go = (): void => {
    if (gone) return
    gone = true
    clearTimeout(timer)
    then()
  }
  void done.then(go)
  // Books in memory have it by now.
  setImmediate(() => {
    if (!gone) timer = setTimeout(go, WAIT_MS)
  })
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
