/** Conditions on header lines that a request must meet for a route to be its route. */

/** What one header line must hold. With neither `is` nor `test`: the line must be there. */
export interface HeaderCondition {
  /** Letters, digits and `-`; compared without case. */
  readonly name: string
  /** The one value it takes, byte for byte. */
  readonly is?: string
  /** Decides over the value, such as an operator's RE2 pattern. */
  readonly test?: (value: string) => boolean
  /** What the operator wrote of a `test`; two conditions with the same text are the same. */
  readonly source?: string
}

/** Whether a request meets conditions; `unclear` where two readers could find different values in it. */
type HeaderVerdict = 'yes' | 'no' | 'unclear'

/**
 * Reads conditions of one route; their names come back in lower case and in order.
 *
 * @throws TypeError for a name that is no header name, or that is there twice.
 */
export function readHeaderConditions(
  conditions: readonly HeaderCondition[] | undefined,
  source: string,
): readonly HeaderCondition[] | undefined {
  if (conditions === undefined || conditions.length === 0) return undefined
  const read = conditions.map((condition) => ({ ...condition, name: condition.name.toLowerCase() }))
  read.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const [index, { name }] of read.entries()) {
    if (!/^[a-z0-9-]+$/.test(name))
      throw new TypeError(`invalid route \`${source}\`: expected header names such as X-Model`)
    if (read[index + 1]?.name === name)
      throw new TypeError(`invalid route \`${source}\`: expected one condition for each header`)
  }
  return read
}

/**
 * Asks raw header lines (name, value, …). A line that decides must stand there once and under its own name: what comes
 * twice, or as `X_Model` for `X-Model`, an upstream may read in another way than we do.
 */
export function askHeaders(conditions: readonly HeaderCondition[], lines: readonly string[]): HeaderVerdict {
  let verdict: HeaderVerdict = 'yes'
  for (const condition of conditions) {
    const asked = askHeader(condition, lines)
    if (asked === 'no') return 'no'
    if (asked === 'unclear') verdict = 'unclear'
  }
  return verdict
}

function askHeader({ name, is, test }: HeaderCondition, lines: readonly string[]): HeaderVerdict {
  let value: string | undefined
  for (let i = 0; i < lines.length; i += 2) {
    const found = lines[i] ?? ''
    if (found.length !== name.length) continue
    const lower = found.toLowerCase()
    if (lower !== name) {
      if (lower.replaceAll('_', '-') === name) return 'unclear'
      continue
    }
    if (value !== undefined) return 'unclear'
    value = lines[i + 1] ?? ''
  }
  if (value === undefined) return 'no'
  if (is !== undefined) return value === is ? 'yes' : 'no'
  return test === undefined || test(value) ? 'yes' : 'no'
}

/** Whether everything that meets `narrow` meets `wide` too, as far as it can be told. */
export function coversHeaders(
  wide: readonly HeaderCondition[] | undefined,
  narrow: readonly HeaderCondition[] | undefined,
): boolean {
  return (wide ?? []).every((condition) => {
    const other = narrow?.find(({ name }) => name === condition.name)
    if (other === undefined) return false
    if (condition.is === undefined && condition.test === undefined) return true
    if (condition.is !== undefined) return other.is === condition.is
    if (other.is !== undefined) return condition.test?.(other.is) === true
    return other.test !== undefined && condition.source !== undefined && condition.source === other.source
  })
}

/** Conditions as text that is the same for the same conditions; for comparing, not for showing. */
export function headersKey(conditions: readonly HeaderCondition[] | undefined): string {
  if (conditions === undefined) return ''
  return JSON.stringify(
    conditions.map(({ name, is, test, source }) => [
      name,
      is ?? null,
      test === undefined ? null : (source ?? ''),
    ]),
  )
}
