import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What to send, and for how long. */
export interface LoadOptions {
  readonly url: string
  readonly authorization?: string
  readonly connections: number
  readonly seconds: number
  /** Every answer must have this status; the run fails otherwise. */
  readonly expected: number
}

/** What a run of load came to. */
export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
}

/** Sends requests over keep-alive connections, one at a time each, from a process of its own. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./load-process.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify(options))
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the load process failed (exit ${code}) on ${options.url}`)
  return JSON.parse(text) as LoadResult
}
