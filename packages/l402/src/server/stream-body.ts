/** The event stream of a session as the body of a fetch `Response`. */

import type { HeaderLines } from '../core/header-lines.ts'
import { type HeldStream, heldStream, type StreamHold } from './held-stream.ts'

const END = { done: true, value: undefined } as const

/**
 * The answer with its events let out as they are paid for; `null` where it is no event stream of a session. Its body is read
 * no faster than its client reads, and not at all while the stream waits for a top-up.
 */
export function streamBody(
  { status, body }: Pick<Response, 'status' | 'body'>,
  hold: StreamHold,
  { method, headers }: { readonly method: string; readonly headers: HeaderLines },
): ReadableStream<Uint8Array<ArrayBuffer>> | null {
  let controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>
  // Nothing more is read of the handler's body.
  let over = false
  // The client has left; then the controller may not be used any more.
  let gone = false
  let flowed = false
  const held = heldStream(
    hold,
    { method, status, headers },
    {
      send(bytes) {
        flowed = true
        // Copied: whoever reads the stream may take the memory away, of which other events have a share.
        if (!gone) controller.enqueue(bytes.slice())
      },
      onCut(why, settled) {
        over = true
        void reader?.cancel().catch(() => {})
        void settled.then(() => {
          if (gone) return
          if (why === 'timeout') controller.close()
          else controller.error(new Error(`the event stream ends before its time: ${why}`))
        })
      },
    },
  )
  if (held === null) return null
  const reader = body?.getReader()

  async function readOn(stream: HeldStream): Promise<void> {
    const { done, value } = (await reader?.read()) ?? END
    if (over) return
    if (!done) {
      await stream.push(value)
      return
    }
    const last = await stream.finish()
    if (last === undefined) return
    over = true
    // Charged before the client knows that it has all of it.
    await last.settled
    if (gone) return
    controller.enqueue(last.bytes.slice())
    controller.close()
  }

  return new ReadableStream(
    {
      start(own) {
        controller = own
      },
      async pull() {
        flowed = false
        try {
          // Asked again only after it gave something.
          while (!flowed && !over) await readOn(held)
        } catch (error) {
          if (over) return
          over = true
          await held.brokeOff()
          if (!gone) controller.error(error)
        }
      },
      async cancel(reason) {
        over = true
        gone = true
        await held.left()
        await reader?.cancel(reason)
      },
    },
    // What lies here unread would be charged to a client that left.
    { highWaterMark: 0 },
  )
}
