/** Kinds of request that are measured side by side, in interleaved rounds in random order. */
import type { Load, LoadOptions, LoadResult } from './load.ts'
import { processCpuMicros } from './process-cpu.ts'
import { interleaved, median, printTable } from './stats.ts'

/** A request, and the proxy it goes through. */
export interface Kind extends Omit<LoadOptions, 'seconds'> {
  readonly pid: number
}

/** Two kinds to compare, and what is hoped for. */
export interface Ratio {
  readonly key: 'cpuMicros' | 'perSecond'
  readonly top: string
  readonly bottom: string
  readonly note?: string
}

/** What a kind came to in one round. */
export interface Measured extends LoadResult {
  /** CPU of the proxy's process with its threads and children, per request. */
  readonly cpuMicros: number
  /** How much of one core the proxy used. */
  readonly core: number
}

/** How it is measured. */
export interface Plan {
  readonly load: Load
  readonly rounds: number
  readonly warmUps: number
  readonly seconds: number
}

/** Measures the kinds and prints a table and the ratios. Answers the rounds of each kind. */
export async function runSection(
  section: {
    readonly title: string
    readonly kinds: ReadonlyMap<string, Kind>
    readonly ratios: readonly Ratio[]
  },
  plan: Plan,
): Promise<ReadonlyMap<string, readonly Measured[]>> {
  const { title, kinds, ratios } = section
  const names = [...kinds.keys()]
  const measure = async (name: string): Promise<Measured> => {
    const kind = kinds.get(name)
    if (kind === undefined) throw new Error(`no kind "${name}"`)
    return await measureOnce(kind, plan)
  }
  await interleaved(names, plan.warmUps, measure)
  const results = await interleaved(names, plan.rounds, measure)
  console.log(`\n## ${title}\n`)
  printKinds(results)
  printRatios(results, ratios)
  return results
}

async function measureOnce({ pid, ...kind }: Kind, { load, seconds }: Plan): Promise<Measured> {
  const startedAt = performance.now()
  const before = processCpuMicros(pid) ?? Number.NaN
  const result = await load.run({ ...kind, seconds })
  const micros = (processCpuMicros(pid) ?? Number.NaN) - before
  const elapsedMicros = (performance.now() - startedAt) * 1000
  return { ...result, cpuMicros: micros / result.requests, core: micros / elapsedMicros }
}

function printKinds(results: ReadonlyMap<string, readonly Measured[]>): void {
  printTable(
    ['kind', 'CPU µs/request', 'least', 'most', 'requests/s', 'p50 ms', 'of a core'],
    [...results].map(([name, rounds]) => {
      const of = (key: keyof Measured): number[] => rounds.map((round) => round[key])
      const cpu = of('cpuMicros')
      const numbers = [median(cpu), Math.min(...cpu), Math.max(...cpu)].map((value) => value.toFixed(1))
      return [
        name,
        ...numbers,
        median(of('perSecond')).toFixed(0),
        median(of('p50Ms')).toFixed(2),
        `${(median(of('core')) * 100).toFixed(0)} %`,
      ]
    }),
  )
}

function printRatios(results: ReadonlyMap<string, readonly Measured[]>, ratios: readonly Ratio[]): void {
  console.log('\nratios: median of the rounds’ own [least – most]')
  for (const { key, top, bottom, note } of ratios) {
    const [above, below] = [results.get(top), results.get(bottom)]
    if (above === undefined || below === undefined) continue
    const label = `${key === 'cpuMicros' ? 'CPU' : 'requests/s'} ${top} / ${bottom}`
    printRatio(
      label,
      above.map((round, i) => round[key] / (below[i]?.[key] ?? Number.NaN)),
      note,
    )
  }
}

/** Prints a median with its spread. */
export function printRatio(label: string, ratios: readonly number[], note = ''): void {
  const spread = `[${Math.min(...ratios).toFixed(2)} – ${Math.max(...ratios).toFixed(2)}]`
  console.log(
    `  ${label.padEnd(34)} ${median(ratios).toFixed(2).padStart(5)}  ${spread.padEnd(16)} ${note}`.trimEnd(),
  )
}
