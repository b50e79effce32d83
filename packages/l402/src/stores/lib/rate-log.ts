import type { RateUse } from '../ledger.ts'
import { END_GRACE_MS } from './ends.ts'

/** Requests that count as admitted at one time. */
export interface RateEntry {
  /** Milliseconds since 1970; not before the requests themselves. */
  readonly atMs: number
  readonly count: number
}

/** What a window remembers, oldest first: at most 65 entries however large its limit. */
export type RateLog = readonly RateEntry[]

/** Limits up to this are kept request by request; larger ones in parts of the window. */
const EXACT_LIMIT = 64n
const PARTS = 63

/** How long a window is remembered after it is empty, so that a clock set back finds it again. */
export const RATE_GRACE_MS: number = 2 * 3_600_000

/** Milliseconds until the window has room for one more request; 0: it has. */
export function waitOf(log: RateLog, { limit, windowMs }: RateUse, nowMs: number): number {
  if (limit === 0n) return windowMs
  const within = log.filter(({ atMs }) => nowMs - atMs < windowMs)
  let over = within.reduce((sum, { count }) => sum + count, 0) + 1 - Number(limit)
  for (const { atMs, count } of within) {
    if (over <= 0) return 0
    over -= count
    if (over <= 0) return atMs + windowMs - nowMs
  }
  return 0
}

/** The log with one more request, and without what has left the window. */
export function logged(log: RateLog, { limit, windowMs }: RateUse, nowMs: number): RateLog {
  const within = log.filter(({ atMs }) => nowMs - atMs < windowMs)
  const newest = within.at(-1)
  // Of a large limit, a part of the window counts as admitted at its end: never too early out of the window.
  const part = limit <= EXACT_LIMIT ? 1 : Math.ceil(windowMs / PARTS)
  const atMs = Math.max((Math.floor(nowMs / part) + 1) * part - 1, newest?.atMs ?? 0)
  if (newest?.atMs !== atMs) return [...within, { atMs, count: 1 }]
  return [...within.slice(0, -1), { atMs, count: newest.count + 1 }]
}

/** The log without its newest request. */
export function unlogged(log: RateLog): RateLog {
  const newest = log.at(-1)
  if (newest === undefined) return log
  const before = log.slice(0, -1)
  return newest.count === 1 ? before : [...before, { atMs: newest.atMs, count: newest.count - 1 }]
}

/** How many more requests a window admits; never more than it does. */
export function leftOf(log: RateLog, { limit, windowMs }: RateUse, nowMs: number): number {
  const within = log.filter(({ atMs }) => nowMs - atMs < windowMs)
  const used = within.reduce((sum, { count }) => sum + count, 0)
  return Math.max(0, Math.min(Number(limit), Number.MAX_SAFE_INTEGER) - used)
}

/**
 * When the log may be forgotten, milliseconds since 1970: it is empty by then, or no credential can name its window. A
 * holder chooses how long a window is, so its length alone would keep rows for ever.
 */
export function forgettableAt(log: RateLog, { windowMs, endsAtMs = null }: RateUse): number {
  const emptyMs = (log.at(-1)?.atMs ?? 0) + windowMs + RATE_GRACE_MS
  return endsAtMs === null ? emptyMs : Math.min(emptyMs, endsAtMs + END_GRACE_MS)
}
