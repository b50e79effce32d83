/** Everything a command touches of its process, so that tests can run commands in their own. */

/** The signals that mean something to `serve`. */
export type ServeSignal = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGUSR1'

/** A command's surroundings. */
export interface Io {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Results. Takes text with its line ends. */
  stdout(text: string): void
  /** Everything else: progress, warnings, errors, logs. */
  stderr(text: string): void
  /** Calls back on each signal until the answered function is called. */
  onSignal(signal: ServeSignal, listener: () => void): () => void
  /** Ends the process at once, without waiting for anything. */
  exit(code: number): void
}

/** The surroundings of this very process. */
export function processIo(): Io {
  // A reader that goes away (`turnpike check | head -1`) is no fault of ours.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  return {
    cwd: process.cwd(),
    env: process.env,
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    onSignal(signal, listener) {
      process.on(signal, listener)
      return () => void process.off(signal, listener)
    },
    exit: (code) => process.exit(code),
  }
}
