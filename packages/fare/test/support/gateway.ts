/** A real gateway on sandbox Lightning, as a process of its own. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { vi } from 'vitest'
import { temporaryFolder } from './folder.ts'

const BIN = fileURLToPath(new URL('../../../gateway/bin/turnpike.js', import.meta.url))

const CONFIG = `
listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
lightning: { backend: sandbox }
store: memory
challenges: { exempt: [127.0.0.1/32] }
services:
  weather:
    upstream: UPSTREAM
    routes:
      - { match: /health, free: true }
      - { match: "GET /forecast/*", price: 10 sat, grants: { valid: 1h } }
      - { match: "/once/*", price: 10 sat }
      - { match: "/many/*", price: 25 sat, grants: { calls: 3 } }
      - { match: "/bound/*", price: 10 sat, grants: { valid: 1h }, conditions: { dpop: true } }
`

/** A running gateway. */
export interface Gateway {
  readonly url: string
  /** Where the sandbox's wallet is. */
  readonly admin: string
  /** Millisatoshi that the sandbox's buyer has. */
  balanceMsat(): Promise<bigint>
  stop(): Promise<void>
}

/** Starts a gateway before `upstream`; default the sample API. */
export async function startGateway(upstream = 'sample'): Promise<Gateway> {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'turnpike.yaml'), CONFIG.replace('UPSTREAM', upstream))
  const ready = join(folder, 'ready.json')
  const child = spawn(process.execPath, [BIN, 'serve', '--sandbox', '--ready-file', ready], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk) => {
    log = (log + chunk).slice(-8000)
  })
  await vi
    .waitFor(
      () => {
        if (!existsSync(ready) && child.exitCode === null) throw new Error('not yet')
      },
      { timeout: 90_000, interval: 20 },
    )
    .catch((error: unknown) => {
      child.kill('SIGKILL')
      throw error
    })
  if (child.exitCode !== null) throw new Error(`the gateway did not start:\n${log}`)
  const { listen, admin } = JSON.parse(readFileSync(ready, 'utf8')) as { listen: [string]; admin: string }
  return {
    url: listen[0],
    admin,
    async balanceMsat() {
      const answer = await fetch(`${admin}/sandbox/v1/balance`)
      return BigInt(((await answer.json()) as { balanceMsat: string }).balanceMsat)
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
