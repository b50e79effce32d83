/**
 * `npm run lab [-- NAME …] [--kills N] [--requests N] [--seed N] [--minutes N]`: the suites against real programs. What is
 * not its own goes to Vitest.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a suite can be told, and where it finds it. */
const numbers: Readonly<Record<string, string>> = {
  '--kills': 'LAB_KILLS',
  '--requests': 'LAB_REQUESTS',
  '--seed': 'LAB_SEED',
  '--minutes': 'LAB_MINUTES',
}

const args: string[] = []
const env = { ...process.env }
const given = process.argv.slice(2)
while (given.length > 0) {
  const arg = given.shift() ?? ''
  const [flag = '', inline] = arg.split('=')
  const variable = numbers[flag]
  if (variable === undefined) {
    args.push(arg)
    continue
  }
  const value = inline ?? given.shift() ?? ''
  if (!/^[1-9]\d{0,8}$/.test(value)) {
    console.error(`${flag}: expected a whole number from 1, got "${value}"`)
    process.exit(64)
  }
  env[variable] = value
}
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const config = fileURLToPath(new URL('../vitest.lab.config.ts', import.meta.url))
const child = spawn(process.execPath, [vitest, 'run', '--config', config, ...args], { stdio: 'inherit', env })
// The suites end what they have started; waited for.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void child.kill(signal))
const [code] = await once(child, 'exit')
process.exitCode = typeof code === 'number' ? code : 1
