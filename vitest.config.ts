import { defineConfig } from 'vitest/config'

// Tests run on the sources; programs that a test starts run on the build (scripts/setup.mjs keeps it fresh).
const conditions = ['turnpike:source', 'node', 'import', 'default']

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
    execArgv: ['--conditions=turnpike:source'],
  },
})
