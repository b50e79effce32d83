/** The event stream of a session on Node's response: what its handler writes goes out as it is paid for. */

import type { ServerResponse } from 'node:http'
import type { HeaderLines } from '../../core/header-lines.ts'
import { heldStream, type StreamHold } from '../../server/held-stream.ts'
import { onceTold } from './once-told.ts'

/** The response as it is without the stream before it. */
export interface NodeAnswer {
  readonly res: ServerResponse
  write(...args: readonly unknown[]): boolean
  end(...args: readonly unknown[]): unknown
  destroy(): unknown
}

/** What takes the place of the response's own methods. */
export interface NodeEvents {
  /** As `res.write`: false while it waits; `drain` says when it may go on. */
  write(bytes: Uint8Array, done?: WriteDone): boolean
  /** As `res.end`; the end goes out when all before it has. */
  end(bytes?: Uint8Array): void
  /** See {@link HeldStream.left}. */
  left(): Promise<void>
  /** See {@link HeldStream.brokeOff}. Nothing more goes out. */
  brokeOff(): Promise<void>
}

type WriteDone = (error?: Error | null) => void

// What waits for a top-up of a handler that does not wait itself.
const MOST_WAITING_BYTES = 16 * 2 ** 20

const DONE = Promise.resolve()

/** The stream that the answer goes through; `null` where it is no event stream of a session. */
export function nodeEvents(
  { res, write, end, destroy }: NodeAnswer,
  hold: StreamHold,
  head: { readonly method: string; readonly status: number; readonly headers: HeaderLines },
): NodeEvents | null {
  // Nothing goes out any more.
  let over = false
  // The handler has said all.
  let isWhole = false
  // The handler was told to wait.
  let holdsBack = false
  // Node's own buffer is full, and Node says when it is not.
  let isFull = false
  let waitingBytes = 0
  let flushed: Promise<Error | null | undefined> = Promise.resolve(undefined)

  const stream = heldStream(hold, head, {
    send(bytes, own) {
      if (!own) waitingBytes -= bytes.length
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      flushed = new Promise((resolve) => {
        isFull = !write(chunk, undefined, resolve)
      })
      // Compressing middleware keeps what it is given until it is asked: the handler's own call came before these bytes.
      if ('flush' in res && typeof res.flush === 'function') res.flush()
    },
    onCut(why, settled) {
      over = true
      onceTold(settled, () => {
        if (why === 'timeout') end()
        else destroy()
      })
    },
  })
  if (stream === null) return null

  // Middleware that has listeners of `drain` go elsewhere, as compressing ones do, cannot be spoken for: then what is written
  // while the stream waits is kept for a handler that says it goes on.
  const speaks = !Object.hasOwn(res, 'on')
  const drained = (): void => {
    isFull = false
    holdsBack = false
  }
  // Before the handler's own, which write at once.
  if (speaks) res.prependListener('drain', drained)
  else res.on('drain', drained)
  Object.defineProperty(res, 'writableNeedDrain', { get: () => holdsBack && !over, configurable: true })

  function goOn(): void {
    if (holdsBack && !isFull && !over) res.emit('drain')
  }

  async function answerDone(out: Promise<void>, done: WriteDone): Promise<void> {
    await out
    const isLost = over
    const error = await flushed
    done(error ?? (isLost ? gone() : undefined))
  }

  return {
    write(bytes, done) {
      if (over || isWhole) {
        if (done !== undefined) process.nextTick(done, gone())
        return false
      }
      waitingBytes += bytes.length
      const waits = stream.push(bytes)
      if (done !== undefined) void answerDone(waits ?? DONE, done)
      void waits?.then(goOn)
      if (waits !== undefined && waitingBytes > MOST_WAITING_BYTES) {
        over = true
        onceTold(stream.left(), destroy)
      }
      const flows = !isFull && (waits === undefined || !speaks)
      if (!flows) holdsBack = true
      return flows
    },
    end(bytes) {
      if (over || isWhole) return
      isWhole = true
      if (bytes !== undefined) void stream.push(bytes)
      void stream.finish().then((last) => {
        if (last !== undefined) onceTold(last.settled, () => end(Buffer.from(last.bytes)))
      })
    },
    left() {
      over = true
      return stream.left()
    },
    brokeOff() {
      over = true
      return stream.brokeOff()
    },
  }
}

/** As Node has it for what is written to a response that is no more. */
function gone(): Error {
  return Object.assign(new Error('the event stream is over'), { code: 'ERR_STREAM_DESTROYED' })
}
