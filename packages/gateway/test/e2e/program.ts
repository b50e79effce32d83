/** The real `turnpike` in a process of its own, and what is needed to play it a client. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { decodeIdentifier, decodeMacaroon, encodeHex, findL402Challenges } from '@turnpike/l402'
import { expect } from 'vitest'
import { ask, type Response, until } from './client.ts'

const BIN = resolve(import.meta.dirname, '../../bin/turnpike.js')

/** One master key for every gateway of a test run; play money. */
export const MASTER_KEY: Buffer = Buffer.alloc(32, 0xa5)
const KEY_LINE = `testkey 2026-01-31T12:00:00Z ${MASTER_KEY.toString('base64')}\n`

/** How a process ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

/** A gateway that serves. */
export interface Program {
  readonly folder: string
  readonly url: string
  readonly port: number
  readonly admin: string
  readonly pid: number
  readonly readyFile: string
  /** Everything it has written so far. */
  output(): string
  signal(signal: NodeJS.Signals): void
  readonly ended: Promise<Ending>
  /** TERM, and how it ended. */
  stop(): Promise<Ending>
  /** KILL, and gone. */
  kill(): Promise<Ending>
}

const folders: string[] = []
const programs = new Set<Program>()
const running = new Set<ChildProcess>()
const outputs: string[] = []
const secrets = new Set<string>()

/** A new folder; gone after {@link cleanUp}. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-e2e-'))
  folders.push(folder)
  return folder
}

/** A folder with `turnpike.yaml` and a key file. */
export function folderWith(config: string): string {
  const folder = newFolder()
  writeFileSync(join(folder, 'turnpike.yaml'), config)
  writeFileSync(join(folder, 'turnpike.key'), KEY_LINE, { mode: 0o600 })
  return folder
}

/** How a configuration differs from the usual one. */
export interface ConfigParts {
  readonly upstream?: string
  readonly routes?: readonly string[]
  /** Further lines at the top. */
  readonly top?: string
  /** Further lines of the service. */
  readonly service?: string
  readonly store?: string
}

/** The routes that most tests sell. */
const ROUTES: readonly string[] = [
  '{ match: "/free/*", free: true }',
  '{ match: "/pass/*", price: 10 sat, grants: { valid: 1h } }',
  '{ match: "/paid/*", price: 1 sat, grants: { calls: 3 } }',
]

/** The text of a configuration on free ports. */
export function configOf(parts: ConfigParts = {}): string {
  const { upstream = 'sample', routes = ROUTES, top = '', service = '', store = 'sqlite:turnpike.db' } = parts
  return `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
store: ${store}
lightning: sandbox
challenges: { limit: off }
log: { level: debug, requests: all }
${top}
services:
  demo:
    upstream: ${upstream}
    ${service}
    routes:
${routes.map((route) => `      - ${route}`).join('\n')}
`
}

/** How a gateway is started. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Put before the program, e.g. a shell that sets a limit. */
  readonly wrap?: (command: readonly string[]) => readonly string[]
}

function launch(folder: string, args: readonly string[], { env = {}, wrap }: StartOptions): ChildProcess {
  const plain = [process.execPath, BIN, ...args]
  const [command = '', ...rest] = wrap?.(plain) ?? plain
  return spawn(command, rest, {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

interface Watched {
  readonly child: ChildProcess
  output(): string
  readonly ended: Promise<Ending>
}

function watch(child: ChildProcess): Watched {
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  running.add(child)
  const ended = once(child, 'close').then(([code, signal]): Ending => {
    running.delete(child)
    outputs.push(out, err)
    return { code, signal, out, err }
  })
  return { child, output: () => out + err, ended }
}

/** Runs `turnpike ARGS` to its end. */
export function run(folder: string, args: readonly string[], options: StartOptions = {}): Promise<Ending> {
  return watch(launch(folder, args, options)).ended
}

/** How long a start may take: half a second, unless much else runs. */
const START_MS = 90_000

let starts = 0

/** Starts `turnpike serve` in a folder and waits until it serves. */
export async function serve(folder: string, options: StartOptions = {}): Promise<Program> {
  const readyFile = join(folder, `ready-${++starts}.json`)
  const { child, output, ended } = watch(launch(folder, ['serve', '--ready-file', readyFile], options))
  let over: Ending | undefined
  void ended.then((ending) => {
    over = ending
  })
  await until(() => over !== undefined || existsSync(readyFile), 'the gateway serves', START_MS)
  if (over !== undefined) throw new Error(`turnpike ended with ${over.code}: ${over.err}`)
  const { listen, admin } = JSON.parse(readFileSync(readyFile, 'utf8'))
  const url: string = listen[0]
  const end = (signal: NodeJS.Signals): Promise<Ending> => {
    child.kill(signal)
    return ended
  }
  const program: Program = {
    folder,
    url,
    port: Number(new URL(url).port),
    admin,
    pid: child.pid ?? 0,
    readyFile,
    output,
    signal: (signal) => void child.kill(signal),
    ended,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  }
  programs.add(program)
  return program
}

/** A gateway with this configuration. */
export function start(parts: ConfigParts = {}, options: StartOptions = {}): Promise<Program> {
  return serve(folderWith(configOf(parts)), options)
}

/** What was bought. */
export interface Bought {
  /** As it stood in the challenge. */
  readonly macaroon: string
  /** Lower-case hex. */
  readonly preimage: string
  /** A whole `Authorization` value. */
  readonly authorization: string
  /** Lower-case hex. */
  readonly tokenId: string
  readonly paymentHash: string
}

/** The one challenge in an answer. */
export function challengeOf(answer: Response): {
  macaroon: string
  invoice: string
  tokenId: string
  paymentHash: string
} {
  const [challenge, ...more] = findL402Challenges(answer.all('www-authenticate'))
  if (challenge === undefined || more.length > 0)
    throw new Error(`no challenge in an answer of ${answer.status}`)
  const { tokenId, paymentHash } = decodeIdentifier(
    decodeMacaroon(Buffer.from(challenge.macaroon, 'base64')).identifier,
  )
  return { ...challenge, tokenId: encodeHex(tokenId), paymentHash: encodeHex(paymentHash) }
}

/** Pays an invoice at the sandbox of `admin`. */
export async function pay(admin: string, invoice: string): Promise<string> {
  const paid = await ask(admin, 'POST', '/sandbox/v1/pay', {
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ invoice }),
  })
  expect(paid.status).toBe(200)
  const { preimage } = JSON.parse(paid.body) as { preimage: string }
  secrets.add(preimage)
  return preimage
}

/** Buys a path. */
export async function buy(
  { url, admin }: Pick<Program, 'url' | 'admin'>,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<Bought> {
  const refused = await ask(url, method, path, { headers })
  expect(refused.status).toBe(402)
  const { macaroon, invoice, tokenId, paymentHash } = challengeOf(refused)
  const preimage = await pay(admin, invoice)
  secrets.add(macaroon.slice(-60))
  secrets.add(Buffer.from(macaroon, 'base64').toString('hex').slice(-120))
  return { macaroon, preimage, authorization: `L402 ${macaroon}:${preimage}`, tokenId, paymentHash }
}

/** Ends what runs, throws the folders away, and looks for secrets in everything that was written (rule C10). */
export async function cleanUp(): Promise<void> {
  const metrics = await Promise.all(
    [...programs].map(
      async ({ admin }) => (await ask(admin, 'GET', '/metrics').catch(() => undefined))?.body ?? '',
    ),
  )
  await Promise.all([...programs].map((program) => program.kill()))
  programs.clear()
  // What a failed test was still waiting for.
  for (const child of running) child.kill('SIGKILL')
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  const written = [...outputs.splice(0), ...metrics].join('\n')
  const key = KEY_LINE.split(' ')[2]?.trim() ?? ''
  for (const secret of [...secrets, key, Buffer.from(key, 'base64').toString('hex')]) {
    if (written.includes(secret)) throw new Error('a secret was written to an output, a log or the metrics')
  }
  // What stands in a stack trace is for nobody but the one who wrote the program.
  expect(written).not.toMatch(/unexpected fault|\n\s+at .*:\d+:\d+/)
  secrets.clear()
}
