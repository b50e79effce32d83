import { once } from 'node:events'

/** Where a command writes: the body and results to `out`, everything else to `err`. */
export interface Streams {
  /** Waits while the reader is slower; resolves false once it has gone away. */
  out(chunk: string | Uint8Array): Promise<boolean>
  err(text: string): void
}

/** The process's own streams. */
export const processStreams: Streams = {
  async out(chunk) {
    if (process.stdout.destroyed || process.stdout.errored !== null) return false
    if (process.stdout.write(chunk)) return true
    await Promise.race([once(process.stdout, 'drain'), once(process.stdout, 'close')]).catch(() => undefined)
    return !process.stdout.destroyed
  },
  err: (text) => {
    process.stderr.write(`${text}\n`)
  },
}
