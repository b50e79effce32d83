/** Packs each package as npm would publish it, runs publint and attw on the archive, and looks for what its page and its users need. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'turnpike-pack-'))
let failures = 0

function run(title: string, command: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${title}`)
  if (status === 0) return
  failures++
  console.log(`${stdout}${stderr}`)
}

/** A registry shows the README as the package's page, and the licence asks to go along. */
function holds(archive: string, files: ReadonlyMap<string, number>): void {
  const missing = ['README.md', 'LICENSE'].filter((name) => (files.get(`package/${name}`) ?? 0) < 200)
  if (missing.length > 0) failures++
  console.log(
    missing.length === 0
      ? `ok     ${archive}: README and LICENSE`
      : `FAILED ${archive}: holds no ${missing.join(' and no ')}`,
  )
}

/** The files of an archive, with their lengths. */
function filesOf(path: string): ReadonlyMap<string, number> {
  const files = new Map<string, number>()
  const tar = gunzipSync(readFileSync(path))
  // Headers of 512 bytes: the name in 100 of them, the length in octal from 124 on; then the file in whole blocks.
  for (let at = 0; tar[at] !== undefined && tar[at] !== 0; ) {
    const length = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8)
    files.set(tar.toString('utf8', at, at + 100).replace(/\0.*$/s, ''), length)
    at += 512 * (1 + Math.ceil(length / 512))
  }
  return files
}

try {
  for (const name of ['l402', 'gateway', 'fare'])
    run(`${name}: npm pack`, 'npm', [
      'pack',
      '--silent',
      `--pack-destination=${folder}`,
      `./packages/${name}`,
    ])
  for (const archive of readdirSync(folder).sort()) {
    const path = join(folder, archive)
    holds(archive, filesOf(path))
    run(`${archive}: publint`, process.execPath, ['node_modules/publint/src/cli.js', 'run', '--strict', path])
    // The programs have no types to offer; only the library does.
    if (archive.includes('l402'))
      run(`${archive}: attw`, process.execPath, [
        'node_modules/@arethetypeswrong/cli/dist/index.js',
        path,
        '--profile',
        'esm-only',
      ])
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failures === 0 ? 0 : 1)
