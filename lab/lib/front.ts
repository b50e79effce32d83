/** Real proxies in front of the gateway, with the very configurations of `examples/forward-auth`. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { until } from '../../packages/gateway/test/e2e/client.ts'
import { newFolder } from '../../packages/gateway/test/e2e/program.ts'
import { freePort } from './programs.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples/forward-auth')

/** The proxies that the suite knows how to start. */
export type FrontKind = 'nginx' | 'caddy'

/** A proxy that runs. */
export interface Front {
  readonly url: string
  readonly port: number
  /** What it wrote. */
  output(): string
  stop(): Promise<void>
}

/** Whether a program is installed. */
export function isThere(kind: FrontKind): boolean {
  return spawnSync(kind, [kind === 'nginx' ? '-v' : 'version']).status === 0
}

/** An example's text with other ports: `{ 8402: 40001 }`. */
export function example(name: string, ports: Readonly<Record<number, number>>): string {
  return readFileSync(join(EXAMPLES, name), 'utf8').replace(
    /(127\.0\.0\.1|http:\/\/):(\d+)/g,
    (whole, host: string, port: string) => {
      const other = ports[Number(port)]
      return other === undefined ? whole : `${host}:${other}`
    },
  )
}

/** Starts a proxy with its example; `ports` says where the gateway and the backend are. */
export async function startFront(kind: FrontKind, ports: Readonly<Record<number, number>>): Promise<Front> {
  const folder = newFolder()
  const port = await freePort()
  const all = { ...ports, [kind === 'nginx' ? 8080 : 8081]: port }
  for (const name of readdirSync(EXAMPLES)) writeFileSync(join(folder, name), example(name, all))
  mkdirSync(join(folder, 'tmp'))
  const child =
    kind === 'nginx'
      ? run(folder, 'nginx', [
          '-p',
          folder,
          '-c',
          join(folder, 'nginx.conf'),
          '-g',
          'daemon off; master_process off;',
        ])
      : run(folder, 'caddy', ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')])
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  let over = false
  const ended = once(child, 'close').then(() => {
    over = true
  })
  await until(async () => over || (await answers(port)), `${kind} listens`)
  if (over) throw new Error(`${kind} ended: ${output}`)
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    output: () => output,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

function run(folder: string, command: string, args: readonly string[]): ChildProcess {
  return spawn(command, args, {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
