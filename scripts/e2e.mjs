// `npm run e2e [-- NAME]`: pages in a real browser. Exits 77 where there is none: skipped, which is not passed.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findChromium } from '../e2e/chromium.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const chromium = findChromium()
if (chromium === undefined) {
  console.log(
    'SKIPPED (not passed): pages in a browser. No Chromium in PATH; CHROMIUM=/path/to/it names one.',
  )
  process.exit(77)
}
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const args = [vitest, 'run', '--config', join(root, 'vitest.e2e.config.ts'), ...process.argv.slice(2)]
const { status } = spawnSync(process.execPath, args, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, CHROMIUM: chromium },
})
process.exit(status ?? 1)
