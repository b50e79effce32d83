import type { Charge } from '../charge.ts'
import { type Cost, decimalCost } from '../cost.ts'
import { headerValues } from '../header-values.ts'
import type { Part } from './part.ts'

/** Units that one header line names. Several lines contradict each other. */
export function headerPart({ name, rate }: NonNullable<Charge['header']>): Part {
  let cost: Cost = 'absent'
  return {
    head(headers) {
      const [value, ...others] = headerValues(headers, name)
      if (value !== undefined) cost = others.length > 0 ? 'wrong' : decimalCost(rate, value)
    },
    cost: () => cost,
  }
}
