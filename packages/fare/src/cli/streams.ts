import { wantsColour } from './colour.ts'

/** Where a command writes: the body and results to `out`, everything else to `err`. */
export interface Streams {
  /**
   * Waits until it is written; answers false once the reader has gone away (`fare get … | head`), which is no fault.
   * Throws where it cannot be written, as on a full disk.
   */
  out(chunk: string | Uint8Array): Promise<boolean>
  err(text: string): void
  /** Writes to standard error as it is; there only where that is a terminal. */
  readonly draw?: (text: string) => void
  /** Whether standard output is a terminal that shows colours. */
  readonly colour: boolean
}

/** The process's own streams. */
export function processStreams(): Streams {
  // What goes wrong is told where it was written; nobody is left to tell about standard error.
  process.stdout.on('error', () => {})
  process.stderr.on('error', () => {})
  // A body may end without a line's end; on a terminal what is said then begins a line of its own.
  const shared = process.stdout.isTTY === true && process.stderr.isTTY === true
  let midLine = false
  return {
    ...(process.stderr.isTTY === true && { draw: (text: string) => void process.stderr.write(text) }),
    colour: wantsColour(process.stdout.isTTY === true, process.env),
    out: (chunk) =>
      new Promise((resolve, reject) => {
        if (chunk.length > 0) midLine = shared && chunk.at(-1) !== '\n' && chunk.at(-1) !== 10
        process.stdout.write(chunk, (error) => {
          if (!error) return resolve(true)
          const gone = 'code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')
          return gone ? resolve(false) : reject(error)
        })
      }),
    err: (text) => {
      process.stderr.write(`${midLine ? '\n' : ''}${text}\n`)
      midLine = false
    },
  }
}
