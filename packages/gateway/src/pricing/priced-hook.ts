import type { PricedEvent } from '@turnpike/l402/server'
import type { Logger } from 'pino'
import type { Metrics } from '../metrics/metrics.ts'

/** One line for a route and a kind of failure in so many milliseconds: a flood of requests is no flood of lines. */
const QUIET_MS = 10_000

/** Counts what pricers say, and logs why they say nothing. */
export function pricedHook({
  metrics,
  log,
}: {
  readonly metrics: Metrics
  readonly log: Logger
}): (event: PricedEvent) => void {
  const lastAt = new Map<string, number>()
  return (event) => {
    metrics.priced(event)
    const { service, route, kind, outcome, detail } = event
    // What a request leaves out is its sender's fault, and is told to him.
    if (outcome === 'priced' || outcome === 'free' || outcome === 'unpriceable') return
    const key = JSON.stringify([service, route, outcome])
    const now = performance.now()
    if (now - (lastAt.get(key) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return
    lastAt.set(key, now)
    log.warn({ service, route, pricer: kind, outcome, detail }, 'no price')
  }
}
