// Runtimes from npm, each in a folder of its own under node_modules/.cache, installed once.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** The folder that holds `name@version`, or why it cannot be had. */
export function installed(cache, name, version) {
  const folder = join(cache, `${name}-${version}`)
  if (existsSync(join(folder, 'node_modules', name, 'package.json'))) return { ok: true, folder }
  mkdirSync(folder, { recursive: true })
  console.log(`        installing ${name}@${version} (once) …`)
  const { status, error, stderr } = spawnSync(
    'npm',
    [
      ...['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
      ...['--prefix', folder, `${name}@${version}`],
    ],
    {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 300_000,
      shell: process.platform === 'win32',
    },
  )
  if (status === 0) return { ok: true, folder }
  rmSync(folder, { recursive: true, force: true })
  const why =
    error?.message ?? stderr.split('\n').find((line) => line.startsWith('npm error')) ?? 'npm failed'
  return { ok: false, why: `${name}@${version} cannot be installed (${why})` }
}
