import { readdirSync } from 'node:fs'
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
  trpc: [49, 48].map((left) => ({ result: { data: { ...FORECAST, left } } })),
  websocket: Array(2).fill('clear, for weather'),
}

it.each(names)('examples/frameworks/%s.mjs sells', async (name) => {
  process.env['PORT'] = '0'
  const { buy } = (await import(path)) as { buy(name: string): Promise<unknown> }
  expect(await buy(name)).toEqual(OTHERS[name] ?? [49, 48].map((left) => ({ ...FORECAST, left })))
})
