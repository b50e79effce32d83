import type { Charge } from '../charge.ts'
import { type Cost, decimalCost } from '../cost.ts'
import { fieldOf } from '../field-of.ts'
import type { Part } from './part.ts'

/** Units in one field. Of a stream's events the last that has the field counts. */
export function jsonPart({ path, rate }: NonNullable<Charge['json']>): Part {
  let cost: Cost = 'absent'
  return {
    value(value) {
      const units = fieldOf(value, path)
      // As the shortest decimal that means this number, so that 0.1 is a tenth.
      if (units !== undefined) cost = typeof units === 'number' ? decimalCost(rate, String(units)) : 'wrong'
    },
    cost: () => cost,
  }
}
