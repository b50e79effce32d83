/** What the listed operations of an upstream's own document refer to, and nothing else: the rest could tell of what is hidden. */

import { type Listed, leadsToListed, withoutForeignLinks, withoutServer } from './own-links.ts'
import { componentOf, isTable, type Named, namedBy, pointerOf, referenced } from './own-parts.ts'

type Json = Record<string, unknown>

/** Kinds of components that are listed. Path items and callbacks hold operations, and none of them is sold. */
const KINDS: ReadonlySet<string> = new Set([
  ...['schemas', 'responses', 'parameters', 'examples', 'requestBodies', 'headers', 'securitySchemes'],
  ...['links', 'mediaTypes'],
])

/** Tables, in operations, whose members can be left out. */
const OPTIONAL: ReadonlySet<string> = new Set(['headers', 'examples', 'links'])

/** Tables whose members have names of the document's own. */
const NAMES: ReadonlySet<string> = new Set(['properties', 'patternProperties', '$defs'])

/** Paths and components in which every reference leads to something. */
interface Complete {
  readonly paths: Record<string, Json>
  readonly components: Json
}

/**
 * The operations, and the components that they need, and what those need in turn, each once. A reference to anything else
 * (another file, a path, what is not there) would lead nowhere, or tell of what is hidden: it is left out, with what cannot be
 * without it.
 */
export function withComponents(listed: Listed): Complete {
  const needed = new Map<string, Map<string, unknown>>()
  const open: (Named & { readonly value: unknown })[] = []

  /** Whether it is among what is listed: now, if it was not. */
  const need = (named: Named): boolean => {
    const { kind, name } = named
    const group = needed.get(kind) ?? new Map<string, unknown>()
    if (group.has(name)) return true
    const value = listedComponent(named, listed)
    if (value === undefined) return false
    needed.set(kind, group.set(name, undefined))
    open.push({ kind, name, value })
    return true
  }
  const leads = (ref: string): boolean => {
    const named = referenced(ref)
    return named === undefined ? staysInSchema(ref) : need(named)
  }
  const dangles = (value: unknown): boolean =>
    isTable(value) && typeof value['$ref'] === 'string' && !leads(value['$ref'])

  /** `key`: of what holds the value. As deep as the document is, which is bounded where it is read. */
  const clean = (value: unknown, key: string): unknown => {
    if (Array.isArray(value)) {
      const kept = key === 'parameters' ? value.filter((one) => !dangles(one)) : value
      return kept.map((one) => clean(one, ''))
    }
    if (!isTable(value)) return value
    const kept: [string, unknown][] = []
    for (const [name, member] of Object.entries(value)) {
      // A property may be called what it likes: it means nothing else by it. A text is no property.
      const is = NAMES.has(key) || (name === 'mapping' && key !== 'discriminator') ? '' : name
      if (typeof member === 'string') {
        const isReference = name === '$ref' || (key === 'mapping' && /[#/]/.test(member))
        if (isReference && !leads(member)) continue
      }
      if ((OPTIONAL.has(key) || is === 'requestBody') && dangles(member)) continue
      for (const named of namedBy(is, member)) need(named)
      kept.push([name, key === 'responses' ? response(member) : clean(member, is)])
    }
    return Object.fromEntries(kept)
  }

  const response = (value: unknown): unknown =>
    dangles(value) ? { description: 'Not described here.' } : clean(withoutForeignLinks(value, listed), '')

  const paths = Object.entries(listed.paths).map(([path, item]) => [path, clean(item, '')])
  for (let next = open.pop(); next !== undefined; next = open.pop())
    needed.get(next.kind)?.set(next.name, clean(next.value, ''))
  const components = [...needed].map(([kind, group]) => [kind, Object.fromEntries(group)])
  return { paths: Object.fromEntries(paths), components: Object.fromEntries(components) }
}

/** A component as it may be listed; `undefined` where it may not, or there is none. */
function listedComponent(named: Named, listed: Listed): unknown {
  const { kind } = named
  const found = KINDS.has(kind) ? componentOf(listed.components, named) : undefined
  if (isTable(found) && typeof found['$ref'] === 'string' && !mayLead(found['$ref'], listed)) return undefined
  if (kind === 'responses') return withoutForeignLinks(found, listed)
  if (kind === 'links') return leadsToListed(found, listed) ? withoutServer(found) : undefined
  return found
}

/** Whether what only refers on refers to something. */
function mayLead(ref: string, { components }: Listed): boolean {
  const named = referenced(ref)
  if (named === undefined) return staysInSchema(ref)
  return KINDS.has(named.kind) && componentOf(components, named) !== undefined
}

/** An anchor, or a definition within a schema. */
function staysInSchema(ref: string): boolean {
  return /^#(?:[A-Za-z_][\w.-]*)?$/.test(ref) || pointerOf(ref)?.[1] === '$defs'
}
