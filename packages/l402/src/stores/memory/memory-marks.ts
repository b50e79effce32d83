import { encodeHex, equalBytes } from '../../core/bytes.ts'
import type { Claim, ClaimOutcome, Paced, RateUse } from '../ledger.ts'
import {
  forgettableAt,
  leftOf,
  logged,
  RATE_GRACE_MS,
  type RateLog,
  unlogged,
  waitOf,
} from '../lib/rate-log.ts'

interface KeptClaim {
  readonly digest: Uint8Array
  readonly untilMs: number
  answer: Uint8Array | undefined
}

/** What a ledger in memory remembers for a time: windows, marks, outcomes. */
export interface MemoryMarks {
  pace(rates: readonly RateUse[]): Paced
  unpace(rates: readonly RateUse[]): void
  once(mark: Uint8Array, untilMs: number): boolean
  claim(claim: Claim): ClaimOutcome
  /** Whether a claim runs. */
  runs(key: Uint8Array): boolean
  answer(key: Uint8Array, answer: Uint8Array): void
  unclaim(key: Uint8Array): void
  /** How many were forgotten. */
  prune(): number
}

/** See {@link MemoryMarks}; `now` in milliseconds since 1970. */
export function memoryMarks(now: () => number): MemoryMarks {
  const windows = new Map<string, { log: RateLog; forgetAtMs: number }>()
  const marks = new Map<string, number>()
  const claims = new Map<string, KeptClaim>()

  const logOf = (key: string): RateLog => windows.get(key)?.log ?? []
  const keep = (key: string, log: RateLog, rate: RateUse): void => {
    if (log.length === 0) windows.delete(key)
    else windows.set(key, { log, forgetAtMs: forgettableAt(log, rate) })
  }

  return {
    pace(rates) {
      const nowMs = now()
      for (const [failed, rate] of rates.entries()) {
        const retryAfterMs = waitOf(logOf(encodeHex(rate.key)), rate, nowMs)
        if (retryAfterMs > 0) return { ok: false, failed, retryAfterMs }
      }
      for (const rate of rates) {
        const key = encodeHex(rate.key)
        keep(key, logged(logOf(key), rate, nowMs), rate)
      }
      return { ok: true, left: rates.map((rate) => leftOf(logOf(encodeHex(rate.key)), rate, nowMs)) }
    },
    unpace(rates) {
      for (const rate of rates) {
        const name = encodeHex(rate.key)
        keep(name, unlogged(logOf(name)), rate)
      }
    },
    once(mark, untilMs) {
      const key = encodeHex(mark)
      if ((marks.get(key) ?? 0) > now()) return false
      marks.set(key, untilMs)
      return true
    },
    claim({ key, digest, untilMs }) {
      const name = encodeHex(key)
      const kept = claims.get(name)
      // One that runs is never too old: it is somebody's.
      if (kept === undefined || (kept.answer !== undefined && kept.untilMs <= now())) {
        claims.set(name, { digest, untilMs, answer: undefined })
        return { state: 'claimed' }
      }
      if (!equalBytes(kept.digest, digest)) return { state: 'other' }
      return kept.answer === undefined ? { state: 'running' } : { state: 'answered', answer: kept.answer }
    },
    runs(key) {
      const kept = claims.get(encodeHex(key))
      return kept !== undefined && kept.answer === undefined
    },
    answer(key, answer) {
      const kept = claims.get(encodeHex(key))
      if (kept !== undefined) kept.answer ??= answer
    },
    unclaim(key) {
      const name = encodeHex(key)
      if (claims.get(name)?.answer === undefined) claims.delete(name)
    },
    prune() {
      const nowMs = now()
      // Kept longer than asked for, in case the clock is set back.
      const before = nowMs - RATE_GRACE_MS
      let removed = 0
      for (const [key, { forgetAtMs }] of windows)
        if (forgetAtMs <= nowMs) removed += Number(windows.delete(key))
      for (const [mark, untilMs] of marks) if (untilMs <= before) removed += Number(marks.delete(mark))
      for (const [key, { answer, untilMs }] of claims)
        if (answer !== undefined && untilMs <= before) removed += Number(claims.delete(key))
      return removed
    },
  }
}
