import type { UnitRate } from '../charge.ts'
import { costOf } from '../cost.ts'
import type { Part } from './part.ts'

/** Bytes of one of the two bodies, as transferred. */
export function bytesPart(rate: UnitRate, of: 'request' | 'answer'): Part {
  let total = 0
  const add = (bytes: number) => {
    total += bytes
  }
  const cost = () => costOf(rate, BigInt(total))
  return of === 'request' ? { request: add, cost } : { body: add, cost }
}
