/** Many streams that are opened and then left alone, held by a process of their own. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endChild, spawnChild } from './clean-up.ts'
import { pinned } from './cores.ts'

/** What to open, and how often. */
export interface StreamOptions {
  readonly url: string
  readonly authorization: string
  readonly count: number
}

/** Opens them; resolves when each has had its first event. Throws when one fails. */
export async function openStreams(options: StreamOptions): Promise<{ stop(): Promise<void> }> {
  const script = fileURLToPath(new URL('./idle-streams-process.ts', import.meta.url))
  const [command, args] = pinned('load', process.execPath, [script])
  const child = spawnChild(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('the process of the streams has no pipes')
  const ended = new AbortController()
  child.once('exit', () => ended.abort())
  stdin.write(`${JSON.stringify(options)}\n`)
  await once(createInterface({ input: stdout }), 'line', { signal: ended.signal }).catch(() => {
    throw new Error(`could not open ${options.count} streams of ${options.url}`)
  })
  return { stop: () => endChild(child) }
}

/** How many files a process may have open; Node raises its own limit, and so that of its children, to this. */
export function openFilesLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    const most = /^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1]
    return most === undefined ? Number.POSITIVE_INFINITY : Number(most)
  } catch {
    return 1024
  }
}
