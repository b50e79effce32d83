/** Builds the three packages, library first: plain `tsc` output into each package's dist/. */
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))

for (const name of ['l402', 'gateway', 'fare']) {
  rmSync(`${root}packages/${name}/dist`, { recursive: true, force: true })
  const { status } = spawnSync(process.execPath, [tsc, '-p', `packages/${name}/tsconfig.build.json`], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
for (const bin of ['gateway/bin/turnpike.js', 'fare/bin/fare.js']) chmodSync(`${root}packages/${bin}`, 0o755)
