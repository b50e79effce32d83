import type { UnitRate } from '../charge.ts'
import { costOf } from '../cost.ts'
import type { Part } from './part.ts'

/** Time from the answer's head to the last byte of its body. `now` in milliseconds. */
export function secondsPart({ msat, per }: UnitRate, now: () => number): Part {
  const perMs: UnitRate = { msat, per: per * 1000n }
  let startMs: number | undefined
  let elapsedMs = 0
  return {
    head() {
      startMs = now()
    },
    body() {
      // A clock that was set back takes nothing back.
      if (startMs !== undefined) elapsedMs = Math.max(elapsedMs, now() - startMs)
    },
    cost: () => costOf(perMs, BigInt(Math.ceil(elapsedMs))),
  }
}
