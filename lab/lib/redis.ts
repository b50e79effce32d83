/** Debian's `redis-server`, on a free loopback port with a folder of its own. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './programs.ts'

/** A server that a suite has started. */
export interface RedisServer {
  readonly port: number
  readonly url: string
  /** With SIGKILL. */
  kill(): Promise<void>
  /** Starts it again on the same port and folder, if it does not run. */
  start(): Promise<void>
  /** Stands still (SIGSTOP) and goes on (SIGCONT). */
  pause(): void
  resume(): void
  /** One command by `redis-cli`; answers what it prints. */
  cli(...args: readonly string[]): string
  /** Many commands, one a line, with quoted arguments in which `\\x01` is a byte. */
  feed(commands: string): void
  /** Copies what it has on disk, over a restart; answers how to go back to that, over another. */
  backUp(): Promise<() => Promise<void>>
  /** Kills it and removes its folder. */
  stop(): Promise<void>
}

/** Whether the machine has the program. */
export const hasRedis: boolean = spawnSync('redis-server', ['--version']).error === undefined

/** Starts a server that writes an append-only file with every command, unless `args` say otherwise. */
export async function startRedis(
  args: readonly string[] = [],
  parent: string = tmpdir(),
): Promise<RedisServer> {
  const port = await freePort()
  const folder = mkdtempSync(join(parent, 'turnpike-redis-'))
  const copy = `${folder}-copy`
  let server: ChildProcess | undefined
  const kill = async (): Promise<void> => {
    const ending = server
    server = undefined
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
    const closed = once(ending, 'close')
    ending.kill('SIGKILL')
    await closed
  }
  const emergency = (): void => {
    server?.kill('SIGKILL')
    for (const each of [folder, copy]) rmSync(each, { recursive: true, force: true })
  }
  process.once('exit', emergency)
  const start = async (): Promise<void> => {
    if (server !== undefined) return
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
    const started = spawn(
      'redis-server',
      [...settings, '--appendonly', 'yes', '--appendfsync', 'always', ...args],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    server = started
    await new Promise<void>((resolve, reject) => {
      let said = ''
      started.once('close', () => reject(new Error(`redis-server ended: ${said}`)))
      started.stdout.setEncoding('utf8').on('data', (text: string) => {
        if (said.length < 20_000) said += text
        if (said.includes('Ready to accept connections')) resolve()
      })
    })
  }
  const restored = async (from: string, to: string): Promise<void> => {
    await kill()
    rmSync(to, { recursive: true, force: true })
    cpSync(from, to, { recursive: true })
    await start()
  }
  const stop = async (): Promise<void> => {
    await kill()
    for (const each of [folder, copy]) rmSync(each, { recursive: true, force: true })
    process.removeListener('exit', emergency)
  }
  await start().catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return {
    port,
    url: `redis://127.0.0.1:${port}/0`,
    kill,
    start,
    pause: () => void server?.kill('SIGSTOP'),
    resume: () => void server?.kill('SIGCONT'),
    cli: (...command) =>
      spawnSync('redis-cli', ['-p', String(port), ...command], { encoding: 'utf8' }).stdout.trim(),
    feed: (commands) => {
      const { stdout } = spawnSync('redis-cli', ['-p', String(port)], { input: commands, encoding: 'utf8' })
      if (/^(\(error\)|ERR|WRONGTYPE)/m.test(stdout)) throw new Error(`redis-cli: ${stdout}`)
    },
    async backUp() {
      await restored(folder, copy)
      return () => restored(copy, folder)
    },
    stop,
  }
}
