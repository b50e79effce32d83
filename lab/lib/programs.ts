/** Programs of others that suites run, each in a folder and on ports of its own. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { until } from '../../packages/gateway/test/e2e/client.ts'

/** What a program said, and how it ended. */
export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Whether a program is there. */
export function installed(program: string, flag = '--version'): boolean {
  return spawnSync(program, [flag], { stdio: 'ignore' }).error === undefined
}

/** The name of a suite: its own, or loudly that it does not run because `program` is missing. */
export function titled(title: string, program: string, there: boolean): string {
  return there ? title : `SKIPPED: ${program} is not installed (${title})`
}

const running = new Set<ChildProcess>()

/** How {@link runProgram} runs one. */
interface RunOptions {
  readonly input?: string
  readonly timeoutMs?: number
  /** Beside what this process has. */
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program to its end. */
export async function runProgram(
  command: string,
  args: readonly string[],
  { input, timeoutMs = 90_000, env = {} }: RunOptions = {},
): Promise<Ran> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    env: { ...process.env, ...env },
  })
  running.add(child)
  let out = ''
  let err = ''
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    err += text
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input ?? '')
  const [code] = await once(child, 'close')
  running.delete(child)
  return { code: code as number | null, out, err }
}

/** Starts a program that goes on, and waits until it takes connections. Throws with its last words if it ends before. */
export async function startProgram(
  command: string,
  args: readonly string[],
  { port, env = {} }: { readonly port: number; readonly env?: Readonly<Record<string, string>> },
): Promise<{ readonly pid: number }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  running.add(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000)
    })
  child.once('close', () => running.delete(child))
  await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}: ${said}`)
      return takesConnections(port)
    },
    `${command} takes connections`,
    90_000,
  )
  return { pid: child.pid ?? 0 }
}

/** Ends all that was started here, and waits for it. */
export async function endPrograms(): Promise<void> {
  await Promise.all(
    [...running].map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }),
  )
  running.clear()
}

/** A loopback port that nobody has. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const answer = (taken: boolean): void => {
      socket.destroy()
      resolve(taken)
    }
    socket.once('connect', () => answer(true)).once('error', () => answer(false))
  })
}
