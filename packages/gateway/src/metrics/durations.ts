import { Histogram, type Registry } from 'prom-client'

/** What a {@link Durations} is called, its labels, and its buckets' upper bounds, ascending. */
export interface DurationsOptions {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets: readonly number[]
}

/** The values seen under one set of label values: how many fell into each bucket, the last being above all bounds. */
export class Distribution {
  readonly labels: readonly string[]
  readonly counts: number[]
  sum = 0
  readonly #buckets: readonly number[]

  constructor(labels: readonly string[], buckets: readonly number[]) {
    this.labels = labels
    this.#buckets = buckets
    this.counts = Array.from({ length: buckets.length + 1 }, () => 0)
  }

  /** Two additions and a short search: for the hot path. */
  add(value: number): void {
    const buckets = this.#buckets
    let at = 0
    while (at < buckets.length && value > (buckets[at] as number)) at++
    this.counts[at] = (this.counts[at] as number) + 1
    this.sum += value
  }
}

/**
 * A histogram for the hot path: whoever observes holds the {@link Distribution} of its labels, and everything else waits
 * until somebody looks. To the registry it is prom-client's own, whose `observe` costs a microsecond.
 */
export class Durations extends Histogram {
  readonly #options: DurationsOptions
  readonly #distributions = new Map<string, Distribution>()

  constructor(registry: Registry, options: DurationsOptions) {
    const { name, help, labels, buckets } = options
    super({ name, help, labelNames: [...labels], buckets: [...buckets], registers: [registry] })
    this.#options = options
  }

  /** The distribution of these label values, in the order of the labels' names. */
  of(...labels: readonly string[]): Distribution {
    const key = labels.join('\0')
    let found = this.#distributions.get(key)
    if (found === undefined) {
      found = new Distribution(labels, this.#options.buckets)
      this.#distributions.set(key, found)
    }
    return found
  }

  /** What prom-client asks for in every scrape. */
  async getForPromString(): Promise<object> {
    const { name, help, labels, buckets } = this.#options
    const seen = [...this.#distributions.values()].filter(({ counts }) => counts.some((count) => count > 0))
    const values = seen.flatMap((distribution) => {
      const sharedLabels = Object.fromEntries(labels.map((label, i) => [label, distribution.labels[i] ?? '']))
      let count = 0
      const rows = [...buckets, '+Inf'].map((le, i) => {
        count += distribution.counts[i] ?? 0
        return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: count }
      })
      return [
        ...rows,
        { metricName: `${name}_sum`, labels: {}, sharedLabels, value: distribution.sum },
        { metricName: `${name}_count`, labels: {}, sharedLabels, value: count },
      ]
    })
    return { name, help, type: 'histogram', values, aggregator: 'sum' }
  }
}
