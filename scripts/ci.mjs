// What `.ci/run` runs: each suite in turn, its output as it comes; at the end what failed, said once more, and one count. A
// suite that cannot run here is named as skipped and never counted as passed. Plain JavaScript: it starts on the machine's own
// Node.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const scratch = mkdtempSync(join(tmpdir(), 'turnpike-ci-'))
let passed = 0
let failed = 0
const failures = []
const skips = []
/** What each failure said, shown before the count; its first line stands again beside its name. */
const details = []
/** What stands last in the output of a suite that failed outside of its tests. */
const TAIL_CHARS = 6_000

/** A suite that passes or fails as one. */
async function suite(name, command, args) {
  const { status, tail } = await run(name, command, args)
  if (status === 0) passed++
  else fail(name, tail)
}

/** A Vitest run; its own count is added. */
async function vitest(name, command, args) {
  const report = join(scratch, `${name.replaceAll(/\W+/g, '-')}.json`)
  const { status, tail } = await run(name, command, [
    ...args,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ])
  if (!existsSync(report)) return fail(name, tail)
  const { numPassedTests, numFailedTests, numTotalTests, numPendingTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  )
  passed += numPassedTests
  failed += numFailedTests
  const faults = testResults.flatMap(faultsOf)
  for (const { title, said } of faults) {
    failures.push(`${name}: ${title} ${firstLine(said)}`.trimEnd())
    if (said !== '') details.push(`${title}\n${said}`)
  }
  // A run that executed nothing, or died outside of a test, has failed whatever it counted.
  if (status !== 0 && numFailedTests === 0) fail(`${name} (exit ${status})`, tail)
  if (numTotalTests === 0) fail(`${name} (no test ran)`, tail)
  if (numPendingTests > 0) skips.push(`${name}: ${numPendingTests} tests skipped by the runner`)
}

/** The tests that failed in a file, or what the file itself failed of. */
function faultsOf({ name, status, message, assertionResults }) {
  const faults = assertionResults
    .filter((test) => test.status === 'failed')
    .map((test) => ({
      title: `${relative(root, name)}: ${test.fullName}`,
      said: test.failureMessages.join('\n').slice(0, TAIL_CHARS),
    }))
  if (faults.length > 0 || status !== 'failed') return faults
  return [{ title: relative(root, name), said: (message ?? '').slice(0, TAIL_CHARS) }]
}

/** The line that names an error, or the first. */
function firstLine(text) {
  const lines = stripVTControlCharacters(text).split('\n')
  return (lines.find((line) => /Error\b/.test(line)) ?? lines[0] ?? '').slice(0, 160)
}

/** A suite of `scripts/`, which exits 0 for passed, 77 for "what it needs cannot be had here", else failed. */
async function optional(name, command, args) {
  const { status, tail } = await run(name, command, args)
  if (status === 0) passed++
  else if (status === 77) skips.push(name)
  else fail(name, tail)
}

async function run(name, command, args) {
  console.log(`\n=== ${name}: ${command} ${args.join(' ')}`)
  const started = Date.now()
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60 * 60_000,
    // The longest suites do a part of what `npm run lab` does by itself: the gate is to be over soon.
    env: { LAB_SHORT: '1', ...process.env },
  })
  let tail = ''
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ])
    from.on('data', (piece) => {
      to.write(piece)
      tail = (tail + piece).slice(-TAIL_CHARS)
    })
  const closed = once(child, 'close')
  const [status, signal] = await once(child, 'exit')
  // What is left in the pipes; no longer, as a program that was left behind would hold them open.
  await Promise.race([closed, sleep(5_000, undefined, { ref: false })])
  child.stdout.destroy()
  child.stderr.destroy()
  console.log(`=== ${name}: exit ${status ?? signal} after ${((Date.now() - started) / 1000).toFixed(0)} s`)
  return { status, tail }
}

function fail(name, tail = '') {
  failed++
  failures.push(`${name} ${firstLine(tail)}`.trimEnd())
  if (tail !== '') details.push(`${name}\n${tail}`)
}

await vitest('tests', 'npm', ['test', '--'])
await suite('checks', 'npm', ['run', '--silent', 'check'])
await suite('the first purchase', 'npm', ['start', '--', '--once'])
await vitest('lab', 'npm', ['run', '--silent', 'lab', '--'])
await optional('pages in a browser', 'npm', ['run', '--silent', 'e2e'])
await optional('library on other runtimes', 'npm', ['run', '--silent', 'test:runtimes'])
await optional('packages as they are installed', 'npm', ['run', '--silent', 'test:packed'])

rmSync(scratch, { recursive: true, force: true })
for (const detail of details) console.log(`\n--- ${detail}`)
console.log('')
for (const name of skips) console.log(`SKIPPED (not passed): ${name}`)
for (const name of failures) console.log(`FAILED: ${name}`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
