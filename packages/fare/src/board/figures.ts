/** The sums behind the board. */

import type { Budget, BudgetLimits, PurseStore } from '@turnpike/l402/client'
import { type Entry, entriesOf } from '../books/entries.ts'
import { type Fiat, fiatOf, sumFiat } from '../books/fiat.ts'
import { costMsatOf, type Summary, summarise } from '../books/filters.ts'

const DAY_MS = 86_400_000
/** Days that the chart shows, today included. */
export const DAYS = 30
const MOST_HOSTS = 8
const MOST_PAYMENTS = 1_000_000

/** A limit and what is used of it. */
export interface Usage {
  /** e.g. `all hosts, per day`. */
  readonly name: string
  readonly usedMsat: bigint
  readonly limitMsat: bigint
}

/** What the page shows. */
export interface Figures {
  /** UTC days, oldest first, each as `2026-11-28`. */
  readonly days: readonly { readonly day: string; readonly msat: bigint }[]
  /** Most spent first; the rest together as `others`. */
  readonly hosts: readonly { readonly host: string; readonly msat: bigint; readonly payments: number }[]
  readonly usage: readonly Usage[]
  readonly latest: readonly (Entry & { readonly fiat: Fiat | null })[]
  /** What the payments of {@link DAYS} were worth then, by currency. */
  readonly fiat: readonly Pick<Fiat, 'currency' | 'amount'>[]
  readonly summary: Summary
  /** The daily limit over all hosts, for a line in the chart; `null` without one. */
  readonly dayLimitMsat: bigint | null
}

/** Reads the books. */
export async function figures(purse: PurseStore, nowMs: number): Promise<Figures> {
  const all = await entriesOf(purse, MOST_PAYMENTS)
  const today = Math.floor(nowMs / DAY_MS)
  const first = today - DAYS + 1
  const perDay = new Map<number, bigint>()
  const perHost = new Map<string, { msat: bigint; payments: number }>()
  const recent: Entry[] = []
  for (const record of all) {
    const day = Math.floor(record.createdAtMs / DAY_MS)
    if (day < first) continue
    const msat = costMsatOf(record)
    recent.push(record)
    perDay.set(day, (perDay.get(day) ?? 0n) + msat)
    const host = perHost.get(record.host) ?? { msat: 0n, payments: 0 }
    perHost.set(record.host, { msat: host.msat + msat, payments: host.payments + 1 })
  }
  const budget = await purse.budget()
  return {
    days: Array.from({ length: DAYS }, (_, i) => ({
      day: new Date((first + i) * DAY_MS).toISOString().slice(0, 10),
      msat: perDay.get(first + i) ?? 0n,
    })),
    hosts: topHosts(perHost),
    usage: await usageOf(purse, budget),
    latest: await Promise.all(
      all.slice(0, 20).map(async (entry) => ({ ...entry, fiat: await fiatOf(purse, entry) })),
    ),
    fiat: sumFiat(await Promise.all(recent.map((record) => fiatOf(purse, record)))),
    summary: summarise(recent),
    dayLimitMsat: budget.overall.dayMsat ?? null,
  }
}

function topHosts(perHost: ReadonlyMap<string, { msat: bigint; payments: number }>): Figures['hosts'] {
  const sorted = [...perHost]
    .map(([host, sums]) => ({ host, ...sums }))
    .sort((a, b) => (a.msat < b.msat ? 1 : a.msat > b.msat ? -1 : a.host.localeCompare(b.host)))
  const rest = sorted.slice(MOST_HOSTS)
  if (rest.length === 0) return sorted
  const others = rest.reduce(
    (sum, { msat, payments }) => ({ msat: sum.msat + msat, payments: sum.payments + payments }),
    { msat: 0n, payments: 0 },
  )
  return [...sorted.slice(0, MOST_HOSTS), { host: `${rest.length} others`, ...others }]
}

async function usageOf(purse: PurseStore, { overall, hosts }: Budget): Promise<readonly Usage[]> {
  const found = limitsUsed('all hosts', overall, await purse.spent())
  for (const [host, limits] of Object.entries(hosts))
    found.push(...limitsUsed(host, limits, await purse.spent(host)))
  return found
}

function limitsUsed(
  of: string,
  limits: BudgetLimits,
  spent: { readonly hourMsat: bigint; readonly dayMsat: bigint; readonly totalMsat: bigint },
): Usage[] {
  const rows = [
    ['last hour', spent.hourMsat, limits.hourMsat],
    ['last 24 hours', spent.dayMsat, limits.dayMsat],
    ['in total', spent.totalMsat, limits.totalMsat],
  ] as const
  return rows.flatMap(([name, usedMsat, limitMsat]) =>
    limitMsat === undefined ? [] : [{ name: `${of}, ${name}`, usedMsat, limitMsat }],
  )
}
