import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// Tests run on the sources; programs that a test starts run on the build (scripts/setup.mjs keeps it fresh).
// Not "import": imported packages have it anyway, and `require` would lead CommonJS packages to modules with it.
const conditions = ['turnpike:source', 'node']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'scripts/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Polling is for what another connection does; the machine may be busy.
    expect: { poll: { timeout: 10_000 } },
    pool: 'forks',
    // Most of a test's time is waiting for processes and sockets: also two cores take two files at a time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    execArgv: ['--conditions=turnpike:source'],
  },
})
