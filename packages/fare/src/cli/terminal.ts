/** The person at the terminal, whatever standard input and output are. */

import { closeSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { ReadStream, WriteStream } from 'node:tty'

const TERMINAL = '/dev/tty'

/** Both directions of one. */
export interface Terminal {
  readonly input: Readable
  readonly output: Writable
}

/** Whether there is one. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync(TERMINAL, 'r+'))
    return true
  } catch {
    return false
  }
}

/** Opens the terminal for a task. */
export async function atTerminal<T>(task: (terminal: Terminal) => Promise<T>): Promise<T> {
  const input = new ReadStream(openSync(TERMINAL, 'r'))
  const output = new WriteStream(openSync(TERMINAL, 'w'))
  try {
    return await task({ input, output })
  } finally {
    input.destroy()
    output.destroy()
  }
}

/** Writes the question and waits for a line: whether it is the word `yes`, and nothing else. */
export async function saysYes(
  { input, output }: Terminal,
  question: string,
  signal?: AbortSignal,
): Promise<boolean> {
  output.write(question)
  const reader = createInterface({ input })
  try {
    const answer = await new Promise<string>((resolve) => {
      reader.once('line', resolve)
      // The terminal is gone, or the time is over: nobody said yes.
      reader.once('close', () => resolve(''))
      signal?.addEventListener('abort', () => resolve(''), { once: true })
    })
    return answer.trim().toLowerCase() === 'yes'
  } finally {
    reader.close()
  }
}
