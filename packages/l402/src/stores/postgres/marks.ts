import { encodeHex } from '../../core/bytes.ts'
import type { ClaimOutcome } from '../ledger.ts'
import { END_GRACE_MS } from '../lib/ends.ts'
import { RATE_GRACE_MS } from '../lib/rate-log.ts'
import { array, bytea, items, NULL } from './arrays.ts'
import type { OnceCall, WindowCall } from './operations.ts'
import type { Session } from './session.ts'

const PACE = {
  name: 'turnpike_pace_3',
  text: 'SELECT failed, waits, lefts FROM pace_3($1, $2, $3, $4, $5, $6, $7, $8, $9)',
} as const

const ONCE = { name: 'turnpike_once_2', text: 'SELECT once_2($1, $2, $3)' } as const

/** Limits beyond this count as this. */
const LIMIT_MAX = 2n ** 53n - 1n

/** Asks windows, in the order of the calls, and answers these. */
export async function sendWindows(
  { connection }: Session,
  calls: readonly WindowCall[],
  nowMs: number,
): Promise<void> {
  const rates = calls.flatMap((call) =>
    call.rates.map(({ key, limit, windowMs, endsAtMs = null }) => ({
      ...{ key: encodeHex(key), limit, windowMs },
      forgetMs: endsAtMs === null ? NULL : endsAtMs + END_GRACE_MS,
    })),
  )
  const keys = [...new Set(rates.map(({ key }) => key))].sort()
  const slots = new Map(keys.map((key, index) => [key, index + 1]))
  const [row] = await connection.run(PACE, [
    nowMs,
    RATE_GRACE_MS,
    array(keys.map(bytea)),
    array(calls.map((call) => call.do === 'pace')),
    array(calls.map((call) => call.rates.length)),
    array(rates.map(({ key }) => slots.get(key))),
    array(rates.map(({ limit }) => (limit < LIMIT_MAX ? limit : LIMIT_MAX))),
    array(rates.map(({ windowMs }) => windowMs)),
    array(rates.map(({ forgetMs }) => forgetMs)),
  ])
  const [failed, waits, lefts] = [items(row?.[0]), items(row?.[1]), items(row?.[2])]
  let at = 0
  for (const [index, call] of calls.entries()) {
    const which = Number(failed[index])
    const left = lefts.slice(at, at + call.rates.length).map(Number)
    at += call.rates.length
    if (call.do === 'unpace') call.resolve()
    else if (which === 0) call.resolve({ ok: true, left })
    else call.resolve({ ok: false, failed: which - 1, retryAfterMs: Number(waits[index]) })
  }
}

/** Sets marks, and answers the calls. */
export async function sendOnce(
  { connection }: Session,
  calls: readonly OnceCall[],
  nowMs: number,
): Promise<void> {
  // By key, as all lock them; those of one key stay in their order.
  const sorted = calls.toSorted((a, b) => (a.mark < b.mark ? -1 : Number(a.mark > b.mark)))
  const [row] = await connection.run(ONCE, [
    nowMs,
    array(sorted.map(({ mark }) => bytea(mark))),
    array(sorted.map(({ untilMs }) => untilMs)),
  ])
  const first = items(row?.[0])
  for (const [index, call] of sorted.entries()) call.resolve(first[index] === 't')
}

/** What the row that `claim_2` answers says. */
export function claimOutcome(state: string | null | undefined, hex: string | null | undefined): ClaimOutcome {
  if (state === 'answered') return { state, answer: new Uint8Array(Buffer.from(hex ?? '', 'hex')) }
  return { state: state === 'claimed' || state === 'other' ? state : 'running' }
}
