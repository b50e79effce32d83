/**
 * Builds the three packages, library first: plain `tsc` output into each package's dist/. The purse's program is bundled
 * beside it, because a command line is waited for: one file loads in a third of the time of a hundred.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

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
await build({
  absWorkingDir: root,
  entryPoints: { fare: 'packages/fare/dist/main.js' },
  outdir: 'packages/fare/dist',
  chunkNames: 'bundle/[name]-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.13',
  minifySyntax: true,
  minifyWhitespace: true,
  // Found at run time where they are installed.
  external: ['@getalby/sdk', 'lightningdevkit', '@scure/btc-signer', 'undici'],
  logLevel: 'warning',
})
for (const bin of ['gateway/bin/turnpike.js', 'fare/bin/fare.js']) chmodSync(`${root}packages/${bin}`, 0o755)
