import type { LoadResult } from './load.ts'
import { median, percentile } from './stats.ts'

/** Runs `once` again and again in so many lanes side by side until the time is over; every `timed`th one is timed. */
export async function inLanes(
  lanes: readonly (() => Promise<void>)[],
  { seconds, timed }: { readonly seconds: number; readonly timed: number },
): Promise<LoadResult> {
  const latenciesMs: number[] = []
  let requests = 0
  const startedAt = performance.now()
  let going = true
  const timer = setTimeout(() => {
    going = false
  }, seconds * 1000)
  const lane = async (once: () => Promise<void>): Promise<void> => {
    while (going) {
      if (requests++ % timed === 0) {
        const sentAt = performance.now()
        await once()
        latenciesMs.push(performance.now() - sentAt)
      } else await once()
    }
  }
  await Promise.all(lanes.map(lane)).finally(() => clearTimeout(timer))
  const elapsed = (performance.now() - startedAt) / 1000
  const [p50Ms, p99Ms] = [median(latenciesMs), percentile(latenciesMs, 0.99)]
  return { requests, perSecond: requests / elapsed, p50Ms, p99Ms }
}
