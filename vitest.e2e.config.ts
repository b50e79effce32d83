import { defineConfig } from 'vitest/config'
import base from './vitest.config.ts'

// `npm run e2e [-- NAME]`: pages in the machine's Chromium, in front of the built programs.
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['e2e/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 90_000,
    fileParallelism: false,
  },
})
