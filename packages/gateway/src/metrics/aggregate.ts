/** The metrics of several processes as one. */

import { AggregatorRegistry } from 'prom-client'
import type { Exposition, MetricValues } from './metrics.ts'

/** Adds up what processes have counted; gauges as each of them says. */
export async function exposeTogether(all: readonly MetricValues[]): Promise<Exposition> {
  const registry = AggregatorRegistry.aggregate([...all])
  return { contentType: registry.contentType, text: await registry.metrics() }
}

/** What stays true of processes that have ended, together: their counts, not their gauges. */
export async function lastingValues(all: readonly MetricValues[]): Promise<MetricValues> {
  const values = await AggregatorRegistry.aggregate([...all]).getMetricsAsJSON()
  return values.filter(({ name, type }) => name.startsWith('turnpike_') && isLasting(String(type)))
}

function isLasting(type: string): boolean {
  return type === 'counter' || type === 'histogram'
}
