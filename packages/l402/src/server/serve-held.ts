/** Serving a `Response` for a use that is held: when it is told to the books, and what it has come to. */

import { isL402Error } from '../core/errors.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { headerLines, withLines } from './fetch-answers.ts'
import type { Entitlement, RouteTerms, StoredAnswer } from './gate.ts'
import { KeptBody } from './kept-body.ts'
import { createMeter } from './metering/create-meter.ts'
import type { Meter } from './metering/meter.ts'
import { pausableClock } from './metering/pausable-clock.ts'
import type { StreamMetering } from './payment-scheme/session/stream/session-stream.ts'
import { streamBody } from './stream-body.ts'

/** What is served, and on whose account. */
export interface Held {
  readonly request: Request
  readonly route: RouteTerms
  readonly entitlement: Entitlement
  /** The 503 in the handler's place, where the books cannot be written (protocol §5 rule 9). */
  readonly unavailable: () => Response
  /** Knows the cost of the answer; made of the route's charge if left out. */
  readonly metering?: StreamMetering | null
  /** Whether the handler has failed although it answers below 500: then the use is given back. */
  readonly failed?: () => boolean
  /** Settles a counted use when the body has gone out, not when it is handed over. */
  readonly untilSent?: boolean
}

/**
 * Runs the handler and settles what it has come to (protocol §5 rules 3 and 4). What is thrown on the way to an answer, by the
 * handler or over what it answered, is its caller's, and nothing is used for it.
 */
export async function serveHeld(handler: () => Response | Promise<Response>, held: Held): Promise<Response> {
  try {
    return await serve(handler, held)
  } catch (error) {
    // Where it is settled already, or tried again by now, this waits for that and changes nothing.
    await held.entitlement.release()
    throw error
  }
}

async function serve(handler: () => Response | Promise<Response>, held: Held): Promise<Response> {
  const { entitlement, request, route, unavailable } = held
  const metering = held.metering === undefined ? meteringOf(route, request.method) : held.metering
  const meter = metering?.meter ?? null
  /** What ended because the client has gone was the client's doing, as where it leaves later. */
  const notServed = (): Promise<void> =>
    request.signal.aborted
      ? entitlement.commit(meter === null ? {} : { costMsat: meter.end(false) })
      : entitlement.release()
  let response: Response
  try {
    response = await handler()
  } catch (error) {
    await notServed()
    throw error
  }
  // Nothing has no status, and `Response.error()` has 0.
  if (!(response?.status > 0)) throw new TypeError('invalid answer: expected a Response that can be sent')
  if (response.status >= 500 || held.failed?.() === true) {
    await notServed()
    return response
  }
  // Of a time pass nothing can be lost, and to look at its body costs.
  if (entitlement.counted) refuseSpent(response)
  try {
    await entitlement.serve()
  } catch (error) {
    // Tried again for as long as the books are out of reach; the client is told now (protocol §5 rule 9).
    void entitlement.release()
    if (!isL402Error(error, 'store_unavailable')) throw error
    void response.body?.cancel().catch(() => {})
    return unavailable()
  }
  const events = entitlement.session === undefined ? null : eventAnswer(response, held, metering)
  if (events !== null) return events
  const watches = held.untilSent === true && entitlement.counted
  if (meter === null && entitlement.keepBytes === null && !watches) {
    // The body is the handler's to send; what is counted is that it was handed over.
    const answer = withLines(response, entitlement.answerHeaders)
    await entitlement.commit()
    return answer
  }
  return watched(response, held, meter)
}

/** A body can be sent once: one that was read, or is being read, would be paid for and never come. */
function refuseSpent({ bodyUsed, body }: Response): void {
  if (bodyUsed || body?.locked === true)
    throw new TypeError('invalid answer: expected a Response whose body nobody has read')
}

/** What measures an answer of the route, on a clock of its own; `null` where it is not metered. */
export function meteringOf({ charge }: RouteTerms, method: string): StreamMetering | null {
  if (charge === undefined) return null
  const clock = pausableClock()
  return { meter: createMeter(charge, { now: clock.now, method }), charge, clock }
}

/** The answer as the event stream of a session, where it is one; then it is settled there. */
function eventAnswer(
  response: Response,
  { request, entitlement }: Held,
  metering: StreamMetering | null,
): Response | null {
  const headers = headerLines(response.headers)
  const { method } = request
  const body = streamBody(response, { entitlement, metering }, { method, headers })
  if (body === null) return null
  tellHead(response, { request, headers, meter: metering?.meter ?? null })
  const answer = withLines(response, entitlement.answerHeaders, { body })
  answer.headers.delete('content-length')
  return answer
}

function tellHead(
  { status }: Response,
  {
    request,
    headers,
    meter,
  }: { readonly request: Request; readonly headers: HeaderLines; readonly meter: Meter | null },
): void {
  meter?.request(Number(request.headers.get('content-length') ?? 0) || 0)
  meter?.head(status, headers)
}

/** The response with its body measured and kept as it goes by; settled when it has gone, or is no longer wanted. */
async function watched(response: Response, held: Held, meter: Meter | null): Promise<Response> {
  const { request, entitlement } = held
  const { answerHeaders } = entitlement
  const headers = meter === null && entitlement.keepBytes === null ? [] : headerLines(response.headers)
  tellHead(response, { request, headers, meter })
  const kept = new KeptBody(entitlement.keepBytes)
  const settle = (complete: boolean): Promise<void> => {
    const body = complete ? kept.body() : undefined
    const answer: StoredAnswer | undefined =
      body === undefined ? undefined : { status: response.status, headers, body }
    return entitlement.commit({
      ...(meter === null ? {} : { costMsat: meter.end(complete) }),
      ...(answer === undefined ? {} : { answer }),
    })
  }
  if (response.body === null) {
    const answer = withLines(response, answerHeaders)
    await settle(true)
    return answer
  }
  const reader = response.body.getReader()
  const { whole, reads } = await readAhead(reader)
  if (whole !== undefined) {
    meter?.body(whole)
    kept.add(whole)
    const answer = withLines(response, answerHeaders, { body: whole })
    await settle(true)
    return answer
  }
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await (reads.shift() ?? reader.read())
        if (!done) {
          meter?.body(value)
          kept.add(value)
          controller.enqueue(value)
          return
        }
        // Charged before the client knows that it has all of it.
        await settle(true)
        controller.close()
      } catch (error) {
        // It broke off: what is certain to have been served is charged, and nothing that was only estimated.
        // Where its source ended because the client has gone, that was the client's doing.
        if (request.signal.aborted) await settle(false)
        else if (meter === null) await entitlement.release()
        else await entitlement.commit({ costMsat: meter.soFarMsat })
        controller.error(error)
      }
    },
    async cancel(reason) {
      await settle(false)
      await reader.cancel(reason)
    },
  })
  return withLines(response, answerHeaders, { body })
}

type Read = ReturnType<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>['read']>

/** A body that lies in memory as one piece, which needs no stream around it; else the reads that are under way. */
async function readAhead(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
): Promise<{ readonly whole?: Uint8Array<ArrayBuffer>; readonly reads: Read[] }> {
  const first = reader.read()
  const piece = await atOnce(first)
  if (piece === undefined) return { reads: [first] }
  if (piece.done) return { whole: new Uint8Array(), reads: [] }
  const second = reader.read()
  const end = await atOnce(second)
  return end?.done === true ? { whole: piece.value, reads: [] } : { reads: [first, second] }
}

/** As far as promises go that wait for nothing outside. */
const STEPS = 12

/** What a promise has come to without waiting; `undefined` where it has not, or has failed. */
async function atOnce<T>(promise: Promise<T>): Promise<T | undefined> {
  let come: T | undefined
  promise.then(
    (value) => {
      come = value
    },
    () => {},
  )
  for (let step = 0; step < STEPS && come === undefined; step++) await undefined
  return come
}
