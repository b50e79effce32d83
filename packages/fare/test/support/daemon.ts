/** A purse daemon of a buyer, as a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect } from 'vitest'
import type { Buyer, Ran } from './fare.ts'
import { temporaryFolder } from './folder.ts'

const BIN = fileURLToPath(new URL('../../bin/fare.js', import.meta.url))
const running = new Set<ChildProcess>()

afterEach(async () => {
  for (const child of running) await end(child, 'SIGKILL')
})

/** A running daemon. */
export interface Daemon {
  /** `unix:/…` or `http://127.0.0.1:PORT`. */
  readonly address: string
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts `fare daemon --sandbox` with the buyer's purse. */
export async function startDaemon(buyer: Buyer, ...args: readonly string[]): Promise<Daemon> {
  const child = spawn(process.execPath, [BIN, 'daemon', '--sandbox', '--json', ...args], {
    env: buyer.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += String(chunk)
  })
  const line = await new Promise<string>((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text += String(chunk)
      if (text.includes('\n')) resolve(text)
    })
    child.once('exit', () => reject(new Error(`the daemon ended: ${said}${text}`)))
  })
  const { daemon } = JSON.parse(line) as { daemon: string }
  return { address: daemon, stop: (signal = 'SIGTERM') => end(child, signal) }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'exit')
}

/** A process that holds a grant and nothing else: neither purse nor wallet of its user. */
export interface Holder {
  readonly id: string
  readonly file: string
  fare(...args: readonly string[]): Promise<Ran>
}

/** Makes a grant and gives it to a holder. */
export async function newGrant(buyer: Buyer, ...args: readonly string[]): Promise<Holder> {
  const folder = temporaryFolder()
  const file = join(folder, 'grant.json')
  const made = await buyer.run(['grant', 'create', ...args, '-o', file, '--json'])
  expect(made).toMatchObject({ code: 0, err: '' })
  const { grant } = JSON.parse(made.out) as { grant: { id: string } }
  const { PATH = '' } = buyer.env
  return {
    id: grant.id,
    file,
    fare: (...words) =>
      buyer.run(words, {
        env: { PATH, FARE_HOME: join(folder, 'own'), FARE_SANDBOX_URL: '', FARE_GRANT_FILE: file },
      }),
  }
}

/** An answer of the daemon. */
export interface Told {
  readonly status: number
  readonly body: string
}

/** A request as a hostile holder would write it. */
export function askRaw(
  socketPath: string,
  options: { readonly path?: string; readonly headers?: Record<string, string>; readonly body?: string },
): Promise<Told> {
  const { path = '/v1/fetch', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      { socketPath, path, method: body === undefined ? 'GET' : 'POST', headers, agent: false },
      (answer) => {
        let text = ''
        answer.on('data', (chunk: Buffer) => {
          text += String(chunk)
        })
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: text }))
      },
    )
    sent.once('error', reject)
    sent.end(body)
  })
}
