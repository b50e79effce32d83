// Sets up what is missing, and does nothing when all is in place: dependencies, then the build.
// Plain old JavaScript without dependencies: it runs on whatever Node the machine has (20.19 or newer).
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stamps = join(root, 'node_modules', '.cache', 'turnpike')

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  fail(
    `Turnpike's repository needs Node 20.19 or newer to set itself up; this is Node ${process.versions.node}.`,
  )
}

if (!isFresh('install', ['package-lock.json', 'package.json'])) {
  say('installing dependencies (once) …')
  // Nothing in the tree needs an install script. Windows finds npm only through its shell.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
  stamp('install')
}

const sources = ['packages/l402', 'packages/gateway', 'packages/fare'].flatMap((folder) => [
  ...filesBelow(join(folder, 'src')),
  join(folder, 'package.json'),
  join(folder, 'tsconfig.build.json'),
])
const built = ['l402/dist/core/index.js', 'gateway/dist/main.js', 'fare/dist/fare.js']
const isBuilt = built.every((file) => existsSync(join(root, 'packages', file)))
if (!isBuilt || !isFresh('build', [...sources, 'tsconfig.base.json', 'package-lock.json'])) {
  say('building …')
  run('npm', ['run', '--silent', 'build'])
  stamp('build')
}

/** Whether the stamp of `name` is newer than all of `files`. */
function isFresh(name, files) {
  const file = join(stamps, name)
  if (!existsSync(file)) return false
  const since = Number(readFileSync(file, 'utf8'))
  return files.every((path) => statSync(join(root, path)).mtimeMs <= since)
}

function stamp(name) {
  mkdirSync(stamps, { recursive: true })
  writeFileSync(join(stamps, name), String(Date.now()))
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (status !== 0) fail(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}.`)
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}

function fail(text) {
  process.stderr.write(`${text}\n`)
  process.exit(1)
}
