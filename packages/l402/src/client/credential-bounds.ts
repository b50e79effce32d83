/** The caveats of a macaroon, read once and kept as long as the macaroon: the same few are asked on every request. */

import { type Caveat, parseCaveat } from '../core/caveat.ts'
import { parseDecimal } from '../core/conditions/decimal.ts'
import { methods } from '../core/conditions/methods.ts'
import { type PathPattern, paths } from '../core/conditions/paths.ts'
import { services } from '../core/conditions/services.ts'
import { validUntil } from '../core/conditions/valid-until.ts'
import type { Macaroon } from '../core/macaroon.ts'

/** What is said of one service. */
export interface ServiceBounds {
  /** Unix seconds from which on it is closed; infinite without an end. */
  readonly end: number
  /** Every list must admit the request's. */
  readonly methods: readonly ReadonlySet<string>[]
  readonly paths: readonly (readonly PathPattern[])[]
}

/** What can be used up, over all services; infinite where nothing is said. */
export interface Budgets {
  readonly calls: number
  readonly msat: number
  /** Whether there is a limit at all, readable or not. */
  readonly counted: boolean
}

/** All that is known of a macaroon. */
interface Known {
  readonly caveats: readonly Caveat[]
  readonly services: readonly string[]
  readonly bounds: ReadonlyMap<string, ServiceBounds>
  readonly budgets: Budgets
  /** Thumbprint of the key that it is bound to. */
  readonly key: string | undefined
}

const known = new WeakMap<Macaroon, Known>()

function knownOf(macaroon: Macaroon): Known {
  const found = known.get(macaroon)
  if (found) return found
  const caveats = macaroon.caveats.map(({ id }) => parseCaveat(id)).filter((caveat) => caveat !== undefined)
  const opened = readServices(caveats)
  const made = {
    caveats,
    services: opened,
    bounds: readBounds(caveats, opened),
    budgets: readBudgets(caveats),
    key: caveats.find(({ condition }) => condition === 'dpop_jkt')?.value,
  }
  known.set(macaroon, made)
  return made
}

/** Caveats that are `condition=value`, in order. */
export function caveatsOf(macaroon: Macaroon): readonly Caveat[] {
  return knownOf(macaroon).caveats
}

/** Names of the services it opens, by the last `services` that can be read; empty where none is. */
export function servicesOf(macaroon: Macaroon): readonly string[] {
  return knownOf(macaroon).services
}

/** What is said of each service it opens, or of each that is spoken of where it names none. */
export function boundsOf(macaroon: Macaroon): ReadonlyMap<string, ServiceBounds> {
  return knownOf(macaroon).bounds
}

/** The least of each kind. */
export function budgetsOf(macaroon: Macaroon): Budgets {
  return knownOf(macaroon).budgets
}

/** The first `dpop_jkt`: a later one can only be the same (protocol §5). */
export function keyOf(macaroon: Macaroon): string | undefined {
  return knownOf(macaroon).key
}

function readServices(caveats: readonly Caveat[]): readonly string[] {
  let last: readonly string[] = []
  for (const { condition, value } of caveats) {
    const entries = condition === 'services' ? services.parse(value) : undefined
    if (entries) last = [...new Set([...entries].map((entry) => entry.slice(0, entry.lastIndexOf(':'))))]
  }
  return last
}

const BOUND = /^(.+)_(valid_until|methods|paths)$/
const UNBOUND: ServiceBounds = { end: Number.POSITIVE_INFINITY, methods: [], paths: [] }

function readBounds(
  caveats: readonly Caveat[],
  opened: readonly string[],
): ReadonlyMap<string, ServiceBounds> {
  const bounds = new Map<string, ServiceBounds>(opened.map((service) => [service, UNBOUND]))
  for (const { condition, value } of caveats) {
    const [, service = '', name] = BOUND.exec(condition) ?? []
    if (name === undefined || (opened.length > 0 && !opened.includes(service))) continue
    const before = bounds.get(service) ?? UNBOUND
    if (name === 'valid_until') {
      const end = validUntil.parse(value)
      if (end !== undefined) bounds.set(service, { ...before, end: Math.min(before.end, Number(end)) })
    } else if (name === 'methods') {
      const allowed = methods.parse(value)
      if (allowed) bounds.set(service, { ...before, methods: [...before.methods, allowed] })
    } else {
      const allowed = paths.parse(value)
      if (allowed) bounds.set(service, { ...before, paths: [...before.paths, allowed] })
    }
  }
  return bounds
}

function readBudgets(caveats: readonly Caveat[]): Budgets {
  let counted = false
  const least = (suffix: string): number => {
    let found = Number.POSITIVE_INFINITY
    for (const { condition, value } of caveats) {
      if (!condition.endsWith(suffix)) continue
      counted = true
      const limit = parseDecimal(value)
      if (limit !== undefined) found = Math.min(found, Number(limit))
    }
    return found
  }
  const calls = least('_max_calls')
  const msat = Math.min(least('_max_spend_msat'), least('_credit_msat'))
  return { calls, msat, counted }
}
