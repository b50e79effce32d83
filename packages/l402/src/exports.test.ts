import { expect, it } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }

// The names that users can import are the interface that semantic versioning covers: a change here is a decision.
const entries = Object.keys(packageJson.exports).filter((path) => path !== './package.json')

it.each(entries)('%s exports these names', async (path) => {
  const names = Object.keys(await import(`@turnpike/l402${path.slice(1)}`)).sort()
  expect(names).toMatchSnapshot()
})
