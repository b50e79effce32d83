/** The answer of `payingFetch`, which tells the books by itself how its body ended. */

import { delivered, isAwaited } from './delivery.ts'
import type { FetchOutcome } from './types.ts'

/**
 * The same answer, watched where the books wait to be told. One of another class than the platform's `Response` cannot be made
 * anew, and counts as whole at its headers.
 */
export async function watched(
  outcome: FetchOutcome,
  response: Response,
  signal: AbortSignal | null,
): Promise<Response> {
  const { body } = response
  if (!isAwaited(outcome)) return response
  if (body === null || !(response instanceof Response)) {
    await delivered(outcome, 'whole')
    return response
  }
  const { status, statusText, headers, url, redirected, type } = response
  const again = new Response(toldOf(outcome, body, signal), { status, statusText, headers })
  for (const [name, value] of Object.entries({ url, redirected, type }))
    Object.defineProperty(again, name, { value, configurable: true })
  return again
}

function toldOf(
  outcome: FetchOutcome,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal | null,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader()
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      const next = await reader.read().catch((cause: unknown) => ({ cause }))
      if ('cause' in next) {
        // Whoever gives up says nothing of the server.
        if (!signal?.aborted) await told(outcome, 'cut')
        controller.error(next.cause)
      } else if (next.value) {
        if (next.value.length > 0) controller.enqueue(next.value)
        else return await this.pull?.(controller)
      } else {
        await told(outcome, 'whole')
        controller.close()
        controller.byobRequest?.respond(0)
      }
    },
    async cancel(reason) {
      // As much as was wanted.
      await told(outcome, 'whole')
      await reader.cancel(reason)
    },
  })
}

/** A fault of the books breaks no answer: what they do not know is presented again. */
async function told(outcome: FetchOutcome, how: 'whole' | 'cut'): Promise<void> {
  await delivered(outcome, how).catch(() => {})
}
