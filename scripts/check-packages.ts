/** Packs each package as npm would publish it and runs publint and attw on the archive. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

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
