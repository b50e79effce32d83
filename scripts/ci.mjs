// What `.ci/run` runs: each suite in turn, its output as it comes, one count at the end. A suite that cannot run here is
// named as skipped and never counted as passed. Plain JavaScript: it starts on the machine's own Node.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const scratch = mkdtempSync(join(tmpdir(), 'turnpike-ci-'))
let passed = 0
let failed = 0
const failures = []
const skips = []

/** A suite that passes or fails as one. */
function suite(name, command, args) {
  const { status } = run(name, command, args)
  if (status === 0) passed++
  else fail(name)
}

/** A Vitest run; its own count is added. */
function vitest(name, command, args) {
  const report = join(scratch, `${name.replaceAll(/\W+/g, '-')}.json`)
  const { status } = run(name, command, [
    ...args,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ])
  if (!existsSync(report)) return fail(name)
  const { numPassedTests, numFailedTests, numTotalTests, numPendingTests } = JSON.parse(
    readFileSync(report, 'utf8'),
  )
  passed += numPassedTests
  failed += numFailedTests
  if (numFailedTests > 0) failures.push(name)
  // A run that executed nothing, or died outside of a test, has failed whatever it counted.
  if (status !== 0 && numFailedTests === 0) fail(`${name} (exit ${status})`)
  if (numTotalTests === 0) fail(`${name} (no test ran)`)
  if (numPendingTests > 0) skips.push(`${name}: ${numPendingTests} tests skipped by the runner`)
}

/** A suite of `scripts/`, which exits 0 for passed, 77 for "what it needs cannot be had here", else failed. */
function optional(name, command, args) {
  const { status } = run(name, command, args)
  if (status === 0) passed++
  else if (status === 77) skips.push(name)
  else fail(name)
}

function run(name, command, args) {
  console.log(`\n=== ${name}: ${command} ${args.join(' ')}`)
  const started = Date.now()
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 60 * 60_000,
    // The longest suites do a part of what `npm run lab` does by itself: the gate is to be over soon.
    env: { LAB_SHORT: '1', ...process.env },
  })
  console.log(
    `=== ${name}: exit ${result.status ?? result.signal} after ${((Date.now() - started) / 1000).toFixed(0)} s`,
  )
  return result
}

function fail(name) {
  failed++
  failures.push(name)
}

vitest('tests', 'npm', ['test', '--'])
suite('checks', 'npm', ['run', '--silent', 'check'])
suite('the first purchase', 'npm', ['start', '--', '--once'])
vitest('lab', 'npm', ['run', '--silent', 'lab', '--'])
optional('pages in a browser', 'npm', ['run', '--silent', 'e2e'])
optional('library on other runtimes', 'npm', ['run', '--silent', 'test:runtimes'])
optional('packages as they are installed', 'npm', ['run', '--silent', 'test:packed'])

rmSync(scratch, { recursive: true, force: true })
console.log('')
for (const name of skips) console.log(`SKIPPED (not passed): ${name}`)
for (const name of failures) console.log(`FAILED: ${name}`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
