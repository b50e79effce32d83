/** Runs a program once per call: one JSON object on its standard input, one on its standard output. */

import { spawn } from 'node:child_process'

/** What a call came to. */
export type ProgramOutcome =
  | { readonly kind: 'answered'; readonly body: unknown }
  /** It was never started, so it has done nothing. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** It was started, and there is no answer that counts. */
  | { readonly kind: 'lost'; readonly detail: string }

/** How to run it. */
export interface ProgramCall {
  readonly file: string
  readonly request: Readonly<Record<string, unknown>>
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

const MOST_BYTES = 256 * 1024
const LONGEST_TIMER = 2 ** 31 - 1
// It gets no more of this process's environment: other backends' secrets may be there.
const PASSED = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'SystemRoot', 'APPDATA']

/** Never throws. No shell is involved; what it writes to its standard error is thrown away. */
export function callProgram({ file, request, timeoutMs, signal }: ProgramCall): Promise<ProgramOutcome> {
  if (signal?.aborted) return Promise.resolve({ kind: 'refused', detail: 'the call was aborted' })
  return new Promise((resolve) => {
    const child = spawn(file, [], { stdio: ['pipe', 'pipe', 'ignore'], env: environment() })
    const chunks: Buffer[] = []
    let bytes = 0
    let started = false
    const end = (outcome: ProgramOutcome): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      // A child of its own may hold the pipe open.
      child.stdout.destroy()
      child.stdin.destroy()
      child.kill('SIGKILL')
      resolve(outcome)
    }
    const abort = (): void => end({ kind: 'lost', detail: 'the call was aborted' })
    const late = (): void => end({ kind: 'lost', detail: `no answer within ${timeoutMs} ms` })
    const timer = setTimeout(late, Math.max(1, Math.min(timeoutMs, LONGEST_TIMER)))
    signal?.addEventListener('abort', abort, { once: true })
    child.once('spawn', () => {
      started = true
    })
    child.once('error', (error) => {
      const code = 'code' in error ? String(error.code) : 'unknown fault'
      if (!started) end({ kind: 'refused', detail: `it cannot be started (${code})` })
    })
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MOST_BYTES) end({ kind: 'lost', detail: `more than ${MOST_BYTES} bytes of output` })
      else chunks.push(chunk)
    })
    child.once('close', (code, killedBy) => {
      if (code === 0) end({ kind: 'answered', body: jsonOf(chunks) })
      else end({ kind: 'lost', detail: `it ended with ${killedBy ?? `exit code ${code}`}` })
    })
    // One that does not read its input is no fault of ours.
    child.stdin.on('error', () => {})
    child.stdin.end(`${JSON.stringify(request)}\n`)
  })
}

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    PASSED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

function jsonOf(chunks: readonly Buffer[]): unknown {
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  } catch {
    return undefined
  }
}
