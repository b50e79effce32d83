/** A real LNbits on a lab node. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import type { LabNode } from './lightning.ts'
import { findLnbits, versionIn } from './lnbits-install.ts'
import { freePort } from './programs.ts'

const found = findLnbits()
const venv = found.folder ?? ''
export const hasLnbits: boolean = found.folder !== undefined
/** Why there is none; empty where there is one. */
export const noLnbits: string = found.folder === undefined ? found.why : ''

/** Such as `LNbits 1.6.2`. */
export const lnbitsVersion: string = found.folder === undefined ? '' : versionIn(found.folder)

/** A server with wallets of its own. */
export interface LabLnbits {
  readonly url: string
  /** Makes a wallet. */
  wallet(name: string): Promise<{ readonly adminkey: string; readonly inkey: string }>
  /** Stops it and starts it again. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** Starts LNbits on a node, in a folder. */
export async function startLnbits(node: LabNode, folder: string): Promise<LabLnbits> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const data = join(folder, `lnbits-${node.name}`)
  mkdirSync(data, { recursive: true })
  const python = join(venv, 'bin', 'python')
  const asked = ['-c', 'import lnbits, os; print(os.path.dirname(os.path.dirname(lnbits.__file__)))']
  // It leaves a key behind where it is imported.
  const where = execFileSync(python, asked, { cwd: data })
  const log = openSync(join(data, 'lnbits.log'), 'a')
  let child: ChildProcess
  const start = async (): Promise<void> => {
    child = spawn(join(venv, 'bin', 'lnbits'), ['--host', '127.0.0.1', '--port', String(port)], {
      // It starts processes of its own, which end with its group.
      detached: true,
      // It looks for its static files under the folder it is started in.
      cwd: String(where).trim(),
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        LNBITS_BACKEND_WALLET_CLASS: 'LndRestWallet',
        LND_REST_ENDPOINT: node.rest,
        LND_REST_CERT: node.tls,
        LND_REST_MACAROON: node.adminMacaroon,
        LNBITS_DATA_FOLDER: data,
        LNBITS_ADMIN_UI: 'false',
        LNBITS_RATE_LIMIT_NO: '100000',
      },
    })
    const ready = () =>
      fetch(`${url}/api/v1/health`).then(
        ({ status }) => status,
        () => 0,
      )
    await vi.waitFor(async () => expect(await ready()).toBe(200), { timeout: 90_000, interval: 200 })
  }
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    signalGroup(child, 'SIGTERM')
    const limit = setTimeout(() => signalGroup(child, 'SIGKILL'), 10_000)
    await gone
    clearTimeout(limit)
    signalGroup(child, 'SIGKILL')
  }
  process.on('exit', () => signalGroup(child, 'SIGKILL'))
  await start()
  return {
    url,
    async wallet(name) {
      const answer = await fetch(`${url}/api/v1/account`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name }),
      })
      return (await answer.json()) as { adminkey: string; inkey: string }
    },
    async restart() {
      await stop()
      await start()
    },
    close: stop,
  }
}

/** To the program and what it has started; nothing where all have ended. */
function signalGroup(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // All gone.
  }
}
