import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const folder = new URL('../../../examples/frameworks/', import.meta.url)
// No types stand beside it.
const path: string = '../../../examples/frameworks/buy.mjs'
const HELPERS = ['ask-grpc.mjs', 'ask-websocket.mjs', 'buy.mjs', 'weather-pb.mjs']
const names = readdirSync(folder).flatMap((file) =>
  file.endsWith('.mjs') && !HELPERS.includes(file) ? [file.slice(0, -'.mjs'.length)] : [],
)
const FORECAST = { city: 'lisbon', sky: 'clear' }

/** What two requests with one payment are answered, where that is not a forecast and what is left. */
const OTHERS: Readonly<Record<string, readonly unknown[]>> = {
  'next-proxy': Array(2).fill({ ...FORECAST, service: 'weather' }),
  metered: [495_000, 494_000].map((leftMsat) => ({ words: 4, leftMsat: String(leftMsat) })),
  trpc: [49, 48].map((left) => ({ result: { data: { ...FORECAST, left } } })),
  websocket: Array(2).fill('clear, for weather'),
}

it.each(names)('examples/frameworks/%s.mjs sells', async (name) => {
  process.env['PORT'] = '0'
  const { buy } = (await import(path)) as { buy(name: string): Promise<unknown> }
  expect(await buy(name)).toEqual(OTHERS[name] ?? [49, 48].map((left) => ({ ...FORECAST, left })))
})

/** Without what a formatter adds. */
const bare = (code: string): string =>
  code
    .replaceAll(/^ *\/\/.*$/gm, '')
    .replaceAll(/\s+/g, '')
    .replaceAll(/,(?=[)\]}])/g, '')

it('shows nothing in docs/frameworks.md that is not in an example', () => {
  const text = readFileSync(new URL('../../../docs/frameworks.md', import.meta.url), 'utf8')
  // A comment of an example may name what stands there in a real app.
  const examples = names.map((name) =>
    readFileSync(new URL(`${name}.mjs`, folder), 'utf8').replace('// Of Next: ', ''),
  )
  const blocks = [...text.matchAll(/```js\n(.*?)```/gs)].map(([, code = '']) => code)
  expect(blocks.length).toBeGreaterThan(10)
  for (const block of blocks) {
    const parts = block.split('\n\n').map(bare)
    const found = examples.some((example) => parts.every((part) => bare(example).includes(part)))
    expect(found, block).toBe(true)
  }
})
