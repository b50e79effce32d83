/** Published clients of others, each in a folder of its own under node_modules/.cache, installed once from its registry. */

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** A client, and how it is had. */
export interface PublishedClient {
  readonly title: string
  readonly scheme: 'L402' | 'Payment'
  readonly registry: 'npm' | 'PyPI'
  readonly packages: readonly string[]
  /** The file of this folder that buys with it. */
  readonly script: string
}

/** Those that the registries carry. */
export const published: readonly PublishedClient[] = [
  {
    title: 'mppx 0.11.0',
    scheme: 'Payment',
    registry: 'npm',
    packages: ['mppx@0.11.0', 'viem@2'],
    script: 'mppx.mjs',
  },
  {
    title: 'Alby lightning-tools 9.0.1, fetchWithL402',
    scheme: 'L402',
    registry: 'npm',
    packages: ['@getalby/lightning-tools@9.0.1'],
    script: 'alby-l402.mjs',
  },
  {
    title: 'Alby lightning-tools 9.0.1, fetch402',
    scheme: 'L402',
    registry: 'npm',
    packages: ['@getalby/lightning-tools@9.0.1'],
    script: 'alby-any.mjs',
  },
  {
    title: 'l402 0.5.1 (sulu)',
    scheme: 'L402',
    registry: 'npm',
    packages: ['l402@0.5.1'],
    script: 'sulu.mjs',
  },
  {
    title: 'l402-requests 0.9.0',
    scheme: 'L402',
    registry: 'PyPI',
    packages: ['l402-requests==0.9.0'],
    script: 'l402_requests_buy.py',
  },
  {
    title: 'L402sdk 0.1.0',
    scheme: 'L402',
    registry: 'PyPI',
    packages: ['l402sdk==0.1.0'],
    script: 'l402sdk_buy.py',
  },
  {
    title: 'pyl402 0.1.2',
    scheme: 'L402',
    registry: 'PyPI',
    packages: ['pyl402==0.1.2'],
    script: 'pyl402_buy.py',
  },
  {
    title: 'bolthub 0.7.0',
    scheme: 'L402',
    registry: 'PyPI',
    packages: ['bolthub==0.7.0'],
    script: 'bolthub_buy.py',
  },
]

/** The command that buys with a client, or why it cannot be had. */
export type Installed =
  | { readonly ok: true; readonly command: string; readonly args: readonly string[] }
  | { readonly ok: false; readonly why: string }

const here = import.meta.dirname
const cache = resolve(here, '../../../node_modules/.cache/turnpike/clients')

/** Installs what is not there yet. */
export function installClient({ registry, packages, script }: PublishedClient): Installed {
  const folder = join(cache, packages.join('+').replaceAll(/[^\w.@+=-]/g, '_'))
  mkdirSync(folder, { recursive: true })
  const done = join(folder, 'node_modules', '.package-lock.json')
  const python = join(folder, 'bin', 'python')
  if (registry === 'npm') {
    if (!existsSync(done)) {
      const args = [
        'install',
        '--no-save',
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        '--legacy-peer-deps',
      ]
      const failed = run('npm', [...args, '--loglevel=error', '--prefix', folder, ...packages], folder)
      if (failed !== undefined) return gone(folder, `npm: ${failed}`)
    }
    for (const file of [script, 'run.mjs']) copyFileSync(join(here, file), join(folder, file))
    return { ok: true, command: process.execPath, args: [join(folder, 'run.mjs'), `./${script}`] }
  }
  if (!existsSync(join(folder, 'installed'))) {
    const failed =
      run('python3', ['-m', 'venv', folder], folder) ??
      run(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages], folder)
    if (failed !== undefined) return gone(folder, `pip: ${failed}`)
    mkdirSync(join(folder, 'installed'))
  }
  return { ok: true, command: python, args: [join(here, script)] }
}

function run(command: string, args: readonly string[], cwd: string): string | undefined {
  const { status, error, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 300_000 })
  if (status === 0) return undefined
  return error?.message ?? stderr.trim().split('\n').at(-1) ?? 'failed'
}

function gone(folder: string, why: string): Installed {
  rmSync(folder, { recursive: true, force: true })
  return { ok: false, why }
}
