import type { Condition } from './condition.ts'
import { parseList } from './list.ts'

/** `crit=a,b`: conditions that must be understood, or the credential is refused. Each occurrence asks for more. */
export const crit: Condition<readonly string[]> = {
  expected: 'names of conditions between commas',
  parse: (value) => parseList(value, () => true),
  narrows: () => true,
}
