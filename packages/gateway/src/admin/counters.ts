/** The gateway's counters for the admin API, read from what is exposed to Prometheus. */

import type { Metrics } from '../metrics/metrics.ts'

/** Sums of the counters and gauges that begin with `turnpike_`, by name without it; `requests` and others also by outcome. */
export async function readCounters(
  metrics: Pick<Metrics, 'expose'>,
): Promise<Readonly<Record<string, number>>> {
  const { text } = await metrics.expose()
  const counters: Record<string, number> = {}
  for (const line of text.split('\n')) {
    const parts = /^turnpike_([a-z0-9_]+)(?:\{(.*)\})? ([0-9.e+-]+)$/.exec(line)
    const [, name = '', labels = '', value] = parts ?? []
    // Of histograms the counts would say something else than one expects.
    if (parts === null || /_(?:bucket|sum|count|seconds)$/.test(name)) continue
    const outcome = /(?:^|,)(?:outcome|reason)="([^"]*)"/.exec(labels)?.[1]
    const plain = name.replace(/_total$/, '')
    counters[plain] = (counters[plain] ?? 0) + Number(value)
    if (outcome !== undefined)
      counters[`${plain}.${outcome}`] = (counters[`${plain}.${outcome}`] ?? 0) + Number(value)
  }
  return counters
}
