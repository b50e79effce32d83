import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { Durations } from './durations.ts'

const what = { name: 'turnpike_seconds', help: 'Time.' }
const buckets = [0.001, 0.25, 2.5]

describe('durations', () => {
  it('reads in a scrape as prom-client’s own histogram does', async () => {
    const seconds = fc.oneof(fc.constantFrom(0, ...buckets), fc.double({ min: 0, max: 10, noNaN: true }))
    const observed = fc.array(fc.tuple(fc.constantFrom('weather', 'maps'), seconds), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(observed, async (all) => {
        const [mine, theirs] = [new Registry(), new Registry()]
        const durations = new Durations(mine, { ...what, labels: ['service'], buckets })
        const histogram = new Histogram({ ...what, labelNames: ['service'], buckets, registers: [theirs] })
        for (const [service, value] of all) {
          durations.of(service).add(value)
          histogram.observe({ service }, value)
        }
        expect(await mine.metrics()).toBe(await theirs.metrics())
      }),
    )
  })
})
