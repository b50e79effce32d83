/** The real programs of the demonstration: `turnpike serve` and `fare`, as processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** A running gateway. */
export interface Gateway {
  readonly url: string
  readonly admin: string
  readonly folder: string
  readonly process: ChildProcess
  stop(): Promise<void>
}

/** Starts the quickstart's gateway in a folder of its own; on free ports where the usual ones are taken. */
export async function startGateway(anyPort: boolean): Promise<Gateway> {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-'))
  let config = readFileSync(file('examples/quickstart/turnpike.yaml'), 'utf8')
  for (const port of ['8402', '8403'])
    if (anyPort || (await isTaken(Number(port))))
      config = config.replaceAll(`127.0.0.1:${port}`, '127.0.0.1:0')
  writeFileSync(join(folder, 'turnpike.yaml'), config)
  const ready = join(folder, 'ready.json')
  const bin = file('packages/gateway/bin/turnpike.js')
  const child = spawn(
    process.execPath,
    [bin, 'serve', '--sandbox', '-c', 'turnpike.yaml', '--ready-file', ready],
    {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  let log = ''
  child.stderr.on('data', (chunk) => {
    log = (log + chunk).slice(-8000)
  })
  const deadline = Date.now() + 30_000
  while (!existsSync(ready)) {
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`the gateway did not start:\n${log}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { listen, admin } = JSON.parse(readFileSync(ready, 'utf8')) as { listen: [string]; admin: string }
  return {
    url: listen[0],
    admin,
    folder,
    process: child,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What a run of `fare --json` said. */
export interface FareReport {
  readonly exitCode: number
  readonly status: number | null
  readonly body: string | null
  readonly paid: boolean
  readonly spentMsat: string
  readonly reused: boolean
  readonly durationMs: number
}

/** Runs `fare --sandbox get --json …` with a purse of its own. */
export async function fare(gateway: Gateway, ...args: readonly string[]): Promise<FareReport> {
  const child = spawn(
    process.execPath,
    [file('packages/fare/bin/fare.js'), '--sandbox', 'get', '--json', ...args],
    {
      env: { ...process.env, FARE_HOME: purseFolder(gateway), FARE_SANDBOX_URL: gateway.admin },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  await once(child, 'close')
  return JSON.parse(text) as FareReport
}

/** Where the demonstration's purse lies. */
export function purseFolder(gateway: Gateway): string {
  return join(gateway.folder, 'purse')
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
