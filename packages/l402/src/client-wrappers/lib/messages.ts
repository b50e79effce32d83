/** Messages of a stream, read once and sent as often as it takes. */

import type { KeptMessages } from './rpc.ts'

/** The messages of a request. */
export interface ReplayedMessages<T> {
  /** All messages from the first on. Throws where they are not kept any more. */
  again(): AsyncIterable<T>
  /** Whether all that were read are still there. */
  replayable(): boolean
  /** The attempt that ran has ended: it reads no further. */
  stop(): void
  /** The attempt that runs is the one that stands: nothing is kept from now on. */
  release(): void
  /** No attempt stands: whoever makes the messages hears that nobody wants them. */
  close(): void
}

/**
 * Keeps some messages of `source`. Before it hands more out it waits for the server to say whether it wants money, and not for
 * ever: after that the call cannot be bought any more.
 */
export function replayedMessages<T>(
  source: AsyncIterable<T>,
  { mostBuffered, holdMs }: KeptMessages,
): ReplayedMessages<T> {
  const iterator = source[Symbol.asyncIterator]()
  let kept: T[] = []
  let overflowed = false
  let released = false
  let goOn: () => void = () => {}
  const decided = new Promise<void>((resolve) => {
    goOn = resolve
  })
  /** Who reads now; an attempt that has ended reads no further. */
  let latest = 0
  let reading: Promise<IteratorResult<T, unknown>> | undefined

  /** Reads one message, for whichever attempt then takes it. */
  async function read(): Promise<IteratorResult<T, unknown>> {
    reading ??= iterator.next()
    return await reading
  }

  /** Keeps a message, or waits before it is handed out unkept; answers whether `mine` is still to have it. */
  async function keep(message: T, mine: number): Promise<boolean> {
    if (released || overflowed) return true
    if (kept.length < mostBuffered) {
      kept.push(message)
      return true
    }
    await atMost(decided, holdMs)
    if (mine !== latest) return false
    overflowed = !released
    kept = []
    return true
  }

  async function* messages(): AsyncGenerator<T> {
    const mine = ++latest
    try {
      for (const message of [...kept]) yield message
      for (;;) {
        const result = await read()
        if (mine !== latest || result.done) return
        // Refused meanwhile: whoever comes next takes it.
        if (!(await keep(result.value, mine))) return
        reading = undefined
        yield result.value
      }
    } finally {
      // Whoever makes the messages hears that nobody wants more of them.
      if (released && mine === latest) await iterator.return?.()
    }
  }

  return {
    again: messages,
    replayable: () => !overflowed,
    stop() {
      latest++
    },
    close() {
      latest++
      Promise.resolve(iterator.return?.()).catch(() => {})
    },
    release() {
      released = true
      kept = []
      goOn()
    },
  }
}

async function atMost(promise: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise, late])
  clearTimeout(timer)
}

/** The same messages, once the first of them (or the end) is there; throws what kept it from coming. */
export async function withFirst<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = source[Symbol.asyncIterator]()
  const first = await iterator.next()
  async function* messages(): AsyncGenerator<T> {
    try {
      for (let result = first; !result.done; result = await iterator.next()) yield result.value
    } finally {
      await iterator.return?.()
    }
  }
  return messages()
}
