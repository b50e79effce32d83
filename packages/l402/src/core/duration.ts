import { L402Error } from './errors.ts'
import { quote } from './lib/quote.ts'

const SECONDS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
])

// A century: longer is a typing error, and sums with a clock stay far from any integer's end.
const MAX_SECONDS = 36_525 * 86_400

const DURATION = /^(0|[1-9][0-9]{0,11}) ?([A-Za-z]*)$/

/**
 * Seconds of a duration such as `30s`, `5m`, `1h` or `7d`.
 *
 * @throws {L402Error} `malformed` for any other text, zero, or more than a century.
 */
export function parseDuration(text: string): number {
  const [, digits, unit = ''] = DURATION.exec(text) ?? []
  const secondsPerUnit = SECONDS_PER_UNIT.get(unit)
  if (digits === undefined || secondsPerUnit === undefined) {
    const remark = digits !== undefined && unit === '' ? ', which has no unit' : ''
    throw malformed("a whole number and a unit (s, m, h, d), as in '30s' or '7d'", text, remark)
  }
  const seconds = Number(digits) * secondsPerUnit
  if (seconds === 0) throw malformed('more than no time', text)
  if (seconds > MAX_SECONDS) throw malformed('at most 36525d', text)
  return seconds
}

/** The shortest exact text of a number of seconds: `90s`, `5m`, `36h`, `7d`. */
export function formatDuration(seconds: number): string {
  if (!Number.isSafeInteger(seconds) || seconds < 0)
    throw new RangeError('seconds must be a whole number, ≥ 0')
  for (const [unit, secondsPerUnit] of SECONDS_PER_UNIT) {
    if (seconds !== 0 && seconds % secondsPerUnit === 0) return `${seconds / secondsPerUnit}${unit}`
  }
  return '0s'
}

function malformed(expected: string, text: string, remark = ''): L402Error {
  return new L402Error('malformed', `invalid duration: expected ${expected}; got ${quote(text)}${remark}`)
}
