/** The built `fare` with one home, run as often as a suite likes, several at once. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FARE = join(import.meta.dirname, '../../../packages/fare/bin/fare.js')

/** How a run ended; no code where it was killed. */
interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** A line of `fare payments --json`. */
interface Payment {
  readonly paymentHash: string
  readonly request: string
  readonly state: string
  readonly amountMsat: string
}

/** A line of `fare recover --json`. */
interface Recovered {
  readonly paymentHash: string
  readonly state: string
  readonly detail: string
}

/** One buyer. */
export interface Fare {
  readonly home: string
  run(args: readonly string[]): Promise<Ran>
  /** Those that buy right now. */
  running(): readonly ChildProcess[]
  payments(): Promise<readonly Payment[]>
  /** Looks up what is open, and answers the payments that still are. */
  open(): Promise<readonly Recovered[]>
  close(): void
}

/** One with the wallet `node`, added with these settings. */
export async function newFare(wallet: readonly string[]): Promise<Fare> {
  const home = mkdtempSync(join(tmpdir(), 'turnpike-kills-'))
  const children = new Set<ChildProcess>()
  const buying = new Set<ChildProcess>()
  const run = (args: readonly string[]): Promise<Ran> => {
    const env = { ...process.env, FARE_HOME: home, FARE_PAYMENT_TIMEOUT: '20s' }
    const child = spawn(process.execPath, [FARE, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(child)
    if (args[0] === 'get') buying.add(child)
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      err += chunk
    })
    return new Promise((resolve) =>
      child.once('close', (code) => {
        children.delete(child)
        buying.delete(child)
        resolve({ code, out, err })
      }),
    )
  }
  const succeed = async (args: readonly string[]): Promise<string> => {
    const { code, out, err } = await run(args)
    if (code !== 0) throw new Error(`fare ${args[0]} ended with ${code}: ${err}`)
    return out
  }
  const payments = async (): Promise<readonly Payment[]> => {
    const read: { payments: Payment[] } = JSON.parse(
      await succeed(['payments', '--json', '--limit', '10000']),
    )
    return read.payments
  }
  await succeed(['wallet', 'add', 'node', ...wallet])
  return {
    home,
    run,
    running: () => [...buying],
    payments,
    async open() {
      const { out, err } = await run(['recover', '--json'])
      if (out === '') throw new Error(`fare recover said nothing: ${err}`)
      const { recovered }: { recovered: Recovered[] } = JSON.parse(out)
      return recovered.filter(({ state }) => state === 'unknown')
    },
    close() {
      for (const child of children) child.kill('SIGKILL')
      rmSync(home, { recursive: true, force: true })
    },
  }
}
