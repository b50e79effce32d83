/** `npm run lab [-- NAME …] [--kills N]`: the suites against real programs. What is not its own goes to Vitest. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const args = process.argv.slice(2)
const env = { ...process.env }
const at = args.findIndex((arg) => arg === '--kills' || arg.startsWith('--kills='))
if (at >= 0) {
  const [flag = '', value = args[at + 1] ?? ''] = args[at]?.split('=') ?? []
  args.splice(at, args[at] === flag ? 2 : 1)
  if (!/^[1-9]\d{0,5}$/.test(value)) {
    console.error(`--kills: expected a whole number from 1, got "${value}"`)
    process.exit(64)
  }
  env['LAB_KILLS'] = value
}
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const config = fileURLToPath(new URL('../vitest.lab.config.ts', import.meta.url))
const child = spawn(process.execPath, [vitest, 'run', '--config', config, ...args], { stdio: 'inherit', env })
// The suites end what they have started; waited for.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void child.kill(signal))
const [code] = await once(child, 'exit')
process.exitCode = typeof code === 'number' ? code : 1
