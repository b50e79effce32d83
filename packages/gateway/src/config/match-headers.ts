/** `matchHeaders` of a route: what header lines must hold for it to be the route of a request. */

import type { HeaderCondition } from '@turnpike/l402/server'
import { RE2JS } from 're2js'
import type { z } from 'zod'
import { headerKind } from '../proxy/header-kinds.ts'
import type { Report } from './metered.ts'
import { table } from './section.ts'

/** `{ Name: "value" | "~RE2" | true }`. */
export const matchHeaders: z.ZodType<Readonly<Record<string, unknown>>> = table(
  'header names with what they must hold, e.g. { X-Model: large, X-Beta: true }',
).describe(
  'Header lines a request must have for this route: a value, `~` and an RE2 expression of the whole value, or true for any value.',
)

const EXPECTED = 'expected a value, "~" and an RE2 expression, or true'

/** The conditions of a route; `undefined` for none. Reports everything that is wrong. */
export function readMatchHeaders(
  conditions: Readonly<Record<string, unknown>> | undefined,
  report: Report,
): readonly HeaderCondition[] | undefined {
  if (conditions === undefined) return undefined
  const entries = Object.entries(conditions)
  if (entries.length === 0) report(['matchHeaders'], `an empty table, ${EXPECTED} for a header name`)
  const seen = new Set<string>()
  return entries.flatMap(([name, value]) => {
    const below = ['matchHeaders', name]
    const fault =
      nameFault(name) ?? (seen.has(name.toLowerCase()) ? 'stands there twice, expected it once' : undefined)
    seen.add(name.toLowerCase())
    if (fault !== undefined) {
      report(below, fault)
      return []
    }
    const condition = readCondition(name, value)
    if (typeof condition !== 'string') return condition
    report(below, condition)
    return []
  })
}

function nameFault(name: string): string | undefined {
  if (!/^[A-Za-z0-9-]{1,128}$/.test(name))
    return 'not a header name, expected letters, digits and "-", such as X-Model'
  switch (headerKind(name)) {
    case 'host':
      return 'Host does not decide here, expected "hosts" of the service'
    case 'plain':
    case 'other':
    case 'origin':
    case 'encoding':
    case 'cookie':
      return /^(?:authorization|macaroon|grpc-metadata-macaroon)$/i.test(name)
        ? 'credentials are for the gate, expected another header'
        : undefined
    default:
      return 'does not reach the upstream as it came, expected another header'
  }
}

function readCondition(name: string, value: unknown): HeaderCondition | string {
  if (value === true) return { name }
  if (typeof value !== 'string') return `not a condition, ${EXPECTED}`
  if (!value.startsWith('~')) {
    const plain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)
    return plain ? { name, is: value } : 'not a value that a header line can hold, expected plain characters'
  }
  const source = value.slice(1)
  if (source === '') return `an empty expression, ${EXPECTED}`
  try {
    const expression = RE2JS.compile(source)
    return { name, source, test: (text) => expression.testExact(text) }
  } catch {
    return `not an RE2 expression that can be used, ${EXPECTED}`
  }
}

/** Conditions as a person reads them, without what the lines must hold: it may be a secret between two machines. */
export function describeHeaders(conditions: readonly HeaderCondition[] | undefined): string {
  return conditions === undefined
    ? ''
    : ` [${conditions
        .map(({ name }) => name.toLowerCase())
        .sort()
        .join(', ')}]`
}
