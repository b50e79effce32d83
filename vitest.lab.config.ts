import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// `npm run lab [-- NAME]`: suites against real programs, one file each, two at a time. A suite whose program is
// missing skips itself under a name that says so.
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['lab/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
})
