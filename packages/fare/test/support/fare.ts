/** The real `fare`, as a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { encodeBase64, encodeHex } from '@turnpike/l402'
import type { PurseStore } from '@turnpike/l402/client'
import { sqlitePurse } from '@turnpike/l402/purse/sqlite'
import { afterEach, expect } from 'vitest'
import { temporaryFolder } from './folder.ts'

const BIN = fileURLToPath(new URL('../../bin/fare.js', import.meta.url))

/** How a run ended. */
export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly bytes: Buffer
  readonly err: string
}

/** What `get --json` says, as far as tests look at it. */
export interface Report {
  readonly ok: boolean
  readonly exitCode: number
  readonly outcome: string
  readonly status: number | null
  readonly body: string | null
  readonly paid: boolean
  readonly spentMsat: string
  readonly reused: boolean
  readonly purchases: readonly { readonly paymentHash: string; readonly resumed: boolean }[]
  readonly error: { readonly code: string; readonly reason: string | null; readonly message: string } | null
}

/** How a run is to be made. */
export interface RunSettings {
  readonly input?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  /** In a session of its own, without a terminal. */
  readonly detached?: boolean
  /** Is given the process once it runs. */
  readonly started?: (child: ChildProcess) => void
}

/** A user with a purse of its own. */
export interface Buyer {
  readonly home: string
  readonly env: Record<string, string>
  /** `fare --sandbox …`. */
  fare(...args: readonly string[]): Promise<Ran>
  /** The same with settings, and without `--sandbox`. */
  run(args: readonly string[], settings?: RunSettings): Promise<Ran>
  /** `fare --sandbox get --json …`; checks that the exit code is the process's and that nothing else was written. */
  report(...args: readonly string[]): Promise<Report>
  /** Looks into the purse. */
  inPurse<T>(look: (purse: PurseStore) => Promise<T>): Promise<T>
  /** Millisatoshi that the purse counts as spent. */
  spentMsat(): Promise<bigint>
}

const buyers: Buyer[] = []
const written: string[] = []

/** A buyer whose sandbox is at `sandbox`. */
export function newBuyer(sandbox: string): Buyer {
  const home = join(temporaryFolder(), 'home')
  const env = { ...cleanEnv(), FARE_HOME: home, FARE_SANDBOX_URL: sandbox }
  const buyer: Buyer = {
    home,
    env,
    fare: (...args) => buyer.run(['--sandbox', ...args]),
    run: (args, settings = {}) => runFare(args, env, settings),
    async report(...args) {
      const { code, out, err } = await buyer.fare('get', '--json', ...args)
      expect(err).toBe('')
      expect(out.split('\n')).toHaveLength(2)
      const report = JSON.parse(out) as Report
      expect(report.exitCode).toBe(code)
      return report
    },
    async inPurse(look) {
      const purse = sqlitePurse({ file: join(home, 'purse.db') })
      try {
        return await look(purse)
      } finally {
        await purse.close()
      }
    },
    spentMsat: () => buyer.inPurse(async (purse) => (await purse.spent()).totalMsat),
  }
  buyers.push(buyer)
  return buyer
}

function cleanEnv(): Record<string, string> {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  return { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }) }
}

function runFare(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  settings: RunSettings,
): Promise<Ran> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { ...env, ...settings.env },
    detached: settings.detached ?? false,
    stdio: [settings.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  child.stdin?.end(settings.input)
  settings.started?.(child)
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
  return new Promise((resolve) => {
    child.once('close', (code) => {
      const bytes = Buffer.concat(out)
      const ran = { code, bytes, out: bytes.toString(), err: Buffer.concat(err).toString() }
      written.push(ran.out, ran.err)
      resolve(ran)
    })
  })
}

/** Text that must never be shown although no purse knows it, such as the macaroon of a challenge that was not paid. */
export const secrets = new Set<string>()

// Rule C10, in whatever a test does: no macaroon and no preimage on standard output or error.
afterEach(async () => {
  for (const buyer of buyers.splice(0)) {
    if (!existsSync(join(buyer.home, 'purse.db'))) continue
    await buyer
      .inPurse(async (purse) => {
        for (const { macaroon, preimage } of await purse.credentials()) {
          secrets.add(macaroon).add(encodeHex(preimage)).add(encodeBase64(preimage))
        }
        for (const { macaroon } of await purse.payments(1000)) secrets.add(macaroon)
      })
      .catch(() => {
        // a purse that the test damaged
      })
  }
  const all = written.splice(0).join('\n')
  for (const secret of secrets) expect(all.includes(secret)).toBe(false)
  secrets.clear()
})
