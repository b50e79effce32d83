/** `npm run check`: types, lint and format, package checks, bundles, generated docs. Runs all of them, then says which failed. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const node = (script: string, ...args: string[]): string[] => [process.execPath, script, ...args]
const bin = (path: string, ...args: string[]): string[] => node(`node_modules/${path}`, ...args)

const checks: Record<string, string[]> = {
  types: bin('typescript/bin/tsc', '-p', 'tsconfig.json'),
  'types of the portable layers (no Node types)': bin(
    'typescript/bin/tsc',
    '-p',
    'packages/l402/tsconfig.portable.json',
  ),
  'lint, format and layers': bin('@biomejs/biome/bin/biome', 'check', '.'),
  'examples of docstrings, READMEs, docs/clients.md and docs/frameworks.md compile': node(
    '--conditions=turnpike:source',
    'scripts/check-examples.ts',
  ),
  'bundles: no node: module, size budgets': node('scripts/check-bundles.ts'),
  'packages as they would be published': node('scripts/check-packages.ts'),
  'generated docs in sync': [process.execPath, '--conditions=turnpike:source', 'scripts/docs.ts', '--check'],
  'unused files, exports and dependencies': bin('knip/bin/knip.js'),
}

const failed: string[] = []
for (const [name, [command, ...args]] of Object.entries(checks)) {
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync(command as string, args, { cwd: root, encoding: 'utf8' })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
  if (status !== 0) failed.push(name)
  if (status !== 0 || name.startsWith('bundles')) console.log(`${stdout}${stderr}`.trimEnd())
}
if (failed.length > 0) {
  console.log(`\n${failed.length} of ${Object.keys(checks).length} checks failed: ${failed.join('; ')}`)
  process.exit(1)
}
