import { Histogram, type Registry } from 'prom-client'

/** What one label value has come to: how many durations fell into each bucket, the last being above all bounds. */
interface Tally {
  readonly counts: number[]
  sum: number
}

/** What a {@link Durations} is called, and its buckets' upper bounds in seconds, ascending. */
export interface DurationsOptions {
  readonly name: string
  readonly help: string
  readonly label: string
  readonly buckets: readonly number[]
}

/**
 * A histogram with one label for the hot path: observing is two additions, everything else waits until somebody looks.
 * To the registry it is prom-client's own, whose `observe` costs a microsecond.
 */
export class Durations extends Histogram {
  readonly #options: DurationsOptions
  readonly #tallies = new Map<string, Tally>()

  constructor(registry: Registry, options: DurationsOptions) {
    const { name, help, label, buckets } = options
    super({ name, help, labelNames: [label], buckets: [...buckets], registers: [registry] })
    this.#options = options
  }

  add(label: string, seconds: number): void {
    let tally = this.#tallies.get(label)
    if (tally === undefined) {
      tally = { counts: Array.from({ length: this.#options.buckets.length + 1 }, () => 0), sum: 0 }
      this.#tallies.set(label, tally)
    }
    const { buckets } = this.#options
    let at = 0
    while (at < buckets.length && seconds > (buckets[at] as number)) at++
    tally.counts[at] = (tally.counts[at] as number) + 1
    tally.sum += seconds
  }

  /** What prom-client asks for in every scrape. */
  async getForPromString(): Promise<object> {
    const { name, help, label, buckets } = this.#options
    const values = [...this.#tallies].flatMap(([value, { counts, sum }]) => {
      const sharedLabels = { [label]: value }
      let count = 0
      const rows = [...buckets, '+Inf'].map((le, i) => {
        count += counts[i] ?? 0
        return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: count }
      })
      return [
        ...rows,
        { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum },
        { metricName: `${name}_count`, labels: {}, sharedLabels, value: count },
      ]
    })
    return { name, help, type: 'histogram', values, aggregator: 'sum' }
  }
}
