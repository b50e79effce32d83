/** `npm run bench [-- NAME]`: runs one benchmark, or all of them. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const benchmarks: Record<string, string> = {
  proxy: 'the gateway against the same proxy without its gate, and against nginx',
  verify: 'full and cached verification against the primitives they cannot avoid',
  grammar: 'header parsing time from 1 KiB to 1 MiB of hostile input',
  ledger: 'durable reservations against bare durable inserts',
}

const [name, ...rest] = process.argv.slice(2)
if (name !== undefined && !(name in benchmarks)) {
  console.error(`no benchmark "${name}"; there are:`)
  for (const [known, about] of Object.entries(benchmarks)) console.error(`  ${known.padEnd(8)} ${about}`)
  process.exit(64)
}
for (const each of name === undefined ? Object.keys(benchmarks) : [name]) {
  console.log(`\n# ${each}: ${benchmarks[each]}\n`)
  const file = fileURLToPath(new URL(`./${each}.ts`, import.meta.url))
  const { status } = spawnSync(process.execPath, ['--conditions=turnpike:source', file, ...rest], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
