/** The answer of `payingFetch`, which tells the books by itself how its body ended. */

import { delivered, isAwaited, isGivenUp } from './delivery.ts'
import type { FetchOutcome } from './types.ts'

/**
 * The same answer, watched where the books wait to be told. One that cannot be made anew, of another class than the platform's
 * `Response` or with a status line that this refuses, counts as whole at its headers.
 */
export async function watched(
  outcome: FetchOutcome,
  response: Response,
  signal: AbortSignal | null,
): Promise<Response> {
  if (!isAwaited(outcome)) return response
  const again = anew(outcome, response, signal)
  if (again === undefined) await told(outcome, 'whole')
  return again ?? response
}

function anew(outcome: FetchOutcome, response: Response, signal: AbortSignal | null): Response | undefined {
  const { body, status, statusText, headers } = response
  if (body === null || !(response instanceof Response)) return undefined
  try {
    const again = new Response(toldOf(outcome, body, signal), { status, statusText, headers })
    return like(response, again)
  } catch {
    return undefined
  }
}

/** What an answer made by hand does not have, and its clones neither. */
function like({ url, redirected, type }: Response, again: Response): Response {
  const clone = (): Response => like(again, Response.prototype.clone.call(again))
  for (const [name, value] of Object.entries({ url, redirected, type, clone }))
    Object.defineProperty(again, name, { value, configurable: true })
  return again
}

function toldOf(
  outcome: FetchOutcome,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal | null,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  // Taken at the first read: the platform lets go of an answer that nobody reads only as long as it is not locked.
  let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined
  async function pull(controller: ReadableByteStreamController): Promise<void> {
    reader ??= body.getReader()
    const next = await reader.read().catch((cause: unknown) => ({ cause }))
    if ('cause' in next) {
      // Whoever gives up says nothing of the server.
      if (!isGivenUp(signal)) await told(outcome, 'cut')
      controller.error(next.cause)
    } else if (next.done) {
      await told(outcome, 'whole')
      controller.close()
      controller.byobRequest?.respond(0)
    } else if (next.value.length > 0) controller.enqueue(next.value)
    else await pull(controller)
  }
  return new ReadableStream({
    type: 'bytes',
    pull,
    async cancel(reason) {
      // As much as was wanted.
      await told(outcome, 'whole')
      await (reader ?? body).cancel(reason)
    },
  })
}

/** A fault of the books breaks no answer: what they do not know is presented again. */
async function told(outcome: FetchOutcome, how: 'whole' | 'cut'): Promise<void> {
  await delivered(outcome, how).catch(() => {})
}
