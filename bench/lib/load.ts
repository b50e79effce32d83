import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endChild, spawnChild } from './clean-up.ts'
import { pinned } from './cores.ts'

/** What to send, and for how long. */
export interface LoadOptions {
  readonly url: string
  readonly authorization?: string
  /** Default HTTP/1.1. */
  readonly protocol?: 'h1' | 'h2' | 'grpc'
  readonly connections: number
  /** Requests at once on each connection, where the protocol can; default 16. */
  readonly streams?: number
  readonly seconds: number
  /** Every answer must have this status; the run fails otherwise. A gRPC call must end with OK. */
  readonly expected: number
  /** One request in so many has its time taken; default 16. */
  readonly timed?: number
}

/** What a run of load came to. */
export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Sends requests over kept connections. */
export interface Load {
  run(options: LoadOptions): Promise<LoadResult>
  stop(): Promise<void>
}

/** Starts the process that makes the load: one for all runs, so that its own code is warm in all but the first. */
export function startLoad(): Load {
  const [command, args] = pinned('load', process.execPath, [
    fileURLToPath(new URL('./load-process.ts', import.meta.url)),
  ])
  const child = spawnChild(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('the load process has no pipes')
  const lines = createInterface({ input: stdout })
  const ended = new AbortController()
  child.once('exit', () => ended.abort())
  return {
    async run(options) {
      const answer = once(lines, 'line', { signal: ended.signal })
      stdin.write(`${JSON.stringify(options)}\n`)
      const [line] = await answer.catch(() => {
        throw new Error(`the load process failed on ${options.url}`)
      })
      return JSON.parse(String(line)) as LoadResult
    },
    stop: () => endChild(child),
  }
}
