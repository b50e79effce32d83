import type { FetchOutcome } from '@turnpike/l402/client'
import type { Sink } from '../cli/output.ts'

/** How handing an answer on ended. */
export type Given =
  | { readonly kind: 'whole' }
  /**
   * The server or the connection ended it early, or `--max-time` did. `spoken` where the answer itself came whole, and more is
   * to be had only by another request.
   */
  | { readonly kind: 'cut'; readonly cause: unknown; readonly spoken: boolean }
  /** It does not go on where the file ends. `spoken` where it is what the resource has to say, not some other part of it. */
  | { readonly kind: 'unfit'; readonly cause: unknown; readonly spoken: boolean }
  /** It could not be written. */
  | { readonly kind: 'unwritten'; readonly cause: unknown }

/**
 * The answer to hand on, if there is one. A 402 is none: it holds a macaroon, which belongs to whoever pays its
 * invoice (rule C10), and what it says is said in other words.
 */
export function answerOf(outcome: FetchOutcome): Response | null {
  const response = 'response' in outcome ? outcome.response : null
  return response?.status === 402 ? null : response
}

/** Writes an answer to where it belongs, as it comes. */
export async function deliver(
  answer: Response | null,
  to: { readonly sinks: () => Promise<readonly Sink[]>; readonly head: boolean },
): Promise<Given> {
  if (answer === null) return { kind: 'whole' }
  const reader = answer.body?.getReader()
  let sinks: readonly Sink[] = []
  try {
    sinks = await to.sinks()
    if (to.head) for (const sink of sinks) await sink.write(headBytes(answer))
    let wanted = true
    while (reader && wanted) {
      const next = await reader.read().catch((cause: unknown) => ({ cause }))
      if ('cause' in next) {
        for (const sink of sinks) await sink.close()
        return { kind: 'cut', cause: next.cause, spoken: false }
      }
      if (next.done) break
      for (const sink of sinks) wanted = await sink.write(next.value)
    }
    for (const sink of sinks) await sink.close()
    return { kind: 'whole' }
  } catch (cause) {
    for (const sink of sinks) await sink.close().catch(() => {})
    return { kind: 'unwritten', cause }
  } finally {
    await reader?.cancel().catch(() => {})
  }
}

// Header values are bytes that the platform shows as Latin-1.
function headBytes(response: Response): Uint8Array {
  const lines = [`HTTP/1.1 ${response.status} ${response.statusText}`.trimEnd()]
  for (const [name, value] of response.headers) lines.push(`${name}: ${value}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
