/** The access log: lines gathered in memory and written in pieces, so that no request waits for a disk or a reader. */

import { pino } from 'pino'
import { CommandError, exitCode } from '../cli/exit.ts'
import type { AccessConfig } from '../config/observing.ts'
import { describeError } from '../log.ts'
import { type AccessEntry, combinedLine, jsonLine } from './access-line.ts'

/** Where requests are written down. */
export interface AccessLog {
  write(entry: AccessEntry): void
  /** Opens the file anew: after it was renamed, lines go into a new one. */
  reopen(): void
  /** Writes what is gathered. Never throws. */
  close(): Promise<void>
}

/** What is gathered before it is written, at most a second long. */
const GATHER_BYTES = 3_500
/** One piece: several processes may write to one file or pipe, and none breaks into another's line. */
const PIECE_BYTES = 4_096
/** What a reader or a disk that stands still may cost; lines beyond it are dropped. */
const MOST_BYTES = 16 * 1024 * 1024
const CLOSE_MS = 2_000

/** Opens the log; `undefined` where it is off. `warn` is told of lines that are lost. Throws {@link CommandError}. */
export async function openAccessLog(
  { form, file }: AccessConfig,
  warn: (message: string) => void,
): Promise<AccessLog | undefined> {
  if (form === 'off') return undefined
  const format = form === 'json' ? jsonLine : combinedLine
  const sink = pino.destination({
    dest: file ?? 1,
    sync: false,
    minLength: GATHER_BYTES,
    maxWrite: PIECE_BYTES,
    maxLength: MOST_BYTES,
    periodicFlush: 1_000,
    mode: 0o640,
  })
  await new Promise<void>((resolve, reject) => {
    sink.once('ready', () => resolve())
    sink.once('error', (error: unknown) => {
      const why = describeError(error)
      reject(
        new CommandError(
          exitCode.failed,
          `${file ?? 'standard output'}: the access log cannot be written (${why})`,
        ),
      )
    })
  })
  let told = false
  sink.on('error', (error: unknown) => warn(`the access log was not written (${describeError(error)})`))
  sink.on('drop', () => {
    if (!told) warn('lines of the access log are dropped: it is written slower than requests come')
    told = true
  })
  return {
    write: (entry) => void sink.write(format(entry)),
    reopen() {
      told = false
      if (file !== undefined) sink.reopen()
    },
    close: () =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, CLOSE_MS)
        sink.once('close', () => {
          clearTimeout(timer)
          resolve()
        })
        sink.end()
      }),
  }
}
