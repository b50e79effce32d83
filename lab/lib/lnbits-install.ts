/** LNbits from PyPI, installed once into a virtual environment of the user's cache folder. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { hasLab } from './lightning.ts'

/** What the suites are written against. bitstring 5 breaks its invoice library. */
const PACKAGES = ['lnbits==1.6.2', 'bitstring<5']
const CACHED = join(homedir(), '.cache', 'turnpike-lab', 'lnbits-1.6.2')
const INSTALL_MS = 600_000

/** The folder of a virtual environment with LNbits in it, or why there is none. */
export type FoundLnbits = { readonly folder: string } | { readonly folder?: undefined; readonly why: string }

/** Finds the one that `LAB_LNBITS` names, or else the cached one, which is installed where it is missing: some minutes. */
export function findLnbits(): FoundLnbits {
  const named = process.env['LAB_LNBITS']
  if (named !== undefined && named !== '')
    return hasProgram(named) ? { folder: named } : { why: `there is none in LAB_LNBITS (${named})` }
  if (hasProgram(CACHED)) return { folder: CACHED }
  // It would have no node to work with.
  if (!hasLab) return { why: 'there is no lab' }
  return install()
}

/** Such as `LNbits 1.6.2`. */
export function versionIn(folder: string): string {
  const asked = ['-c', 'from importlib.metadata import version; print(version("lnbits"))']
  const { stdout } = spawnSync(join(folder, 'bin', 'python'), asked, { encoding: 'utf8' })
  return `LNbits ${stdout.trim()}`
}

function install(): FoundLnbits {
  mkdirSync(dirname(CACHED), { recursive: true })
  // Whole or not at all: the name that is looked for is given last, and other runs may be at it too.
  const folder = mkdtempSync(`${CACHED}-`)
  console.log('LNbits is not installed: installing it from PyPI, once …')
  const failed =
    run('python3', ['-m', 'venv', folder]) ??
    run(join(folder, 'bin', 'python'), [
      ...['-m', 'pip', 'install', '-q', '--disable-pip-version-check'],
      ...PACKAGES,
    ])
  if (failed !== undefined) {
    rmSync(folder, { recursive: true, force: true })
    return { why: `it cannot be installed: ${failed}` }
  }
  try {
    rmSync(CACHED, { force: true })
    symlinkSync(basename(folder), CACHED)
    return { folder: CACHED }
  } catch {
    // Another run was first.
    return { folder }
  }
}

function hasProgram(folder: string): boolean {
  return existsSync(join(folder, 'bin', 'lnbits'))
}

/** The last words of what failed, or nothing. */
function run(command: string, args: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: INSTALL_MS })
  if (status === 0) return undefined
  return error?.message ?? (stderr.trim().split('\n').at(-1) || `${command} ended with ${status}`)
}
