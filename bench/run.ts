/** `npm run bench [-- NAME [ARGUMENTS]]`: runs one benchmark, or all of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const benchmarks: Record<string, string> = {
  adapters: 'each adapter against the same framework without it',
  proxy: 'the gateway against the same proxy without its gate, and against nginx and Caddy',
  aperture: 'paid requests through the gateway against a real Aperture',
  challenge: 'unpaid requests with a real lnd, with and without reuse, against lnd itself',
  verify: 'full and cached verification against the primitives they cannot avoid',
  grammar: 'header parsing time from 1 KiB to 1 MiB of hostile input',
  ledger: 'durable reservations against bare durable inserts',
  purse: 'payingFetch over fetch, fare get over node -e 0, memory while a gigabyte streams',
}

const [name, ...rest] = process.argv.slice(2)
if (name !== undefined && !(name in benchmarks)) {
  console.error(`no benchmark "${name}"; there are:`)
  for (const [known, about] of Object.entries(benchmarks)) console.error(`  ${known.padEnd(9)} ${about}`)
  process.exit(64)
}
for (const each of name === undefined ? Object.keys(benchmarks) : [name]) {
  console.log(`\n# ${each}: ${benchmarks[each]}\n`)
  const status = await run(fileURLToPath(new URL(`./${each}.ts`, import.meta.url)))
  if (status !== 0) process.exit(status)
}

/** Runs a benchmark to its end. A signal is passed on and its clean-up waited for. */
async function run(file: string): Promise<number> {
  const child = spawn(process.execPath, ['--conditions=turnpike:source', file, ...rest], { stdio: 'inherit' })
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal)
  const signals: NodeJS.Signals[] = ['SIGHUP', 'SIGINT', 'SIGTERM']
  for (const signal of signals) process.on(signal, pass)
  const [code] = await once(child, 'exit')
  for (const signal of signals) process.off(signal, pass)
  return typeof code === 'number' ? code : 1
}
