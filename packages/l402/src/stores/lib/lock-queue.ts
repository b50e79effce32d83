/** First come, first served within this process: tasks of one name run one after the other. */
export interface LockQueue {
  run<T>(name: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T>
}

/** Makes a {@link LockQueue}. */
export function lockQueue(): LockQueue {
  const last = new Map<string, Promise<void>>()

  return {
    async run(name, task, signal) {
      signal?.throwIfAborted()
      const before = last.get(name)
      let open: () => void = () => {}
      const mine = new Promise<void>((resolve) => {
        open = resolve
      })
      last.set(name, mine)
      const done = (): void => {
        if (last.get(name) === mine) last.delete(name)
        open()
      }
      try {
        await settledOrAborted(before, signal)
      } catch (reason) {
        // Whoever stands behind waits for the one before, not for the one who left.
        void before?.then(done)
        throw reason
      }
      try {
        return await task()
      } finally {
        done()
      }
    },
  }
}

async function settledOrAborted(turn: Promise<void> | undefined, signal?: AbortSignal): Promise<void> {
  if (!turn || !signal) return turn
  await new Promise<void>((resolve, reject) => {
    const leave = (): void => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    void turn.then(() => {
      signal.removeEventListener('abort', leave)
      resolve()
    })
  })
}
