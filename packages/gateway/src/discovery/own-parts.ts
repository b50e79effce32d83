/** What of an upstream's own document stays with its listed operations. The rest could tell of what is hidden. */

type Json = Record<string, unknown>

/** An object of JSON. */
export function isTable(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What of an upstream's document is listed. */
export interface Listed {
  /** The document's own components. */
  readonly components: unknown
  /** The listed operations' `operationId`s. */
  readonly ids: ReadonlySet<unknown>
  /** Their paths, as they are served: a link by another path, below a server's, is left out. */
  readonly paths: ReadonlySet<string>
}

/**
 * A path item, or an operation, without the upstream's servers: requests go to the gateway alone, and where the upstream
 * stands is nobody's business.
 */
export function withoutServers({ servers: _, ...kept }: Json): Json {
  return kept
}

/** Responses by name, without links to operations that are not listed. */
export function withoutForeignLinks(responses: unknown, listed: Listed): unknown {
  if (!isTable(responses)) return responses
  const kept = Object.entries(responses).map(([name, response]) => {
    if (!isTable(response) || !isTable(response['links'])) return [name, response]
    const links = Object.entries(response['links'])
      .filter(([, link]) => leadsToListed(link, listed))
      .map(([key, link]) => [key, withoutServer(link)])
    return [name, { ...response, links: Object.fromEntries(links) }]
  })
  return Object.fromEntries(kept)
}

/** A link may say where the upstream stands, as operations may. */
function withoutServer(link: unknown): unknown {
  if (!isTable(link)) return link
  const { server: _, ...kept } = link
  return kept
}

function leadsToListed(link: unknown, { components, ids, paths }: Listed): boolean {
  const named = isTable(link) ? referenced(link['$ref']) : undefined
  const target = named === undefined ? link : componentOf(components, named)
  if (!isTable(target)) return false
  const { operationId, operationRef } = target
  if (operationId !== undefined) return ids.has(operationId)
  const [, path] = /^#\/paths\/([^/]+)/.exec(String(operationRef)) ?? []
  return path !== undefined && paths.has(unescaped(path))
}

/** A component by kind and name. */
interface Named {
  readonly kind: string
  readonly name: string
}

function referenced(ref: unknown): Named | undefined {
  const [, kind, name] = /^#\/components\/([^/]+)\/([^/]+)/.exec(String(ref)) ?? []
  return kind === undefined || name === undefined ? undefined : { kind, name: unescaped(name) }
}

function componentOf(components: unknown, { kind, name }: Named): unknown {
  const group = isTable(components) && Object.hasOwn(components, kind) ? components[kind] : undefined
  return isTable(group) && Object.hasOwn(group, name) ? group[name] : undefined
}

/** The components that these operations need, and what those need in turn. */
export function componentsFor(listed: Listed, operations: unknown): Json {
  const needed: Record<string, Json> = {}
  const seen = new Set<unknown>()
  const open: unknown[] = [operations]
  const need = (named: Named): void => {
    const found = componentOf(listed.components, named)
    if (found === undefined) return
    const { kind, name } = named
    // What is cleaned is a new object each time: a circle would never end.
    const group = needed[kind]
    if (group !== undefined && Object.hasOwn(group, name)) return
    const one = { [name]: found }
    const clean = cleaned(kind, one, listed)
    needed[kind] = { ...needed[kind], ...clean }
    open.push(clean[name])
  }
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    for (const [key, member] of Object.entries(value)) {
      for (const named of namedBy(key, member)) need(named)
      open.push(member)
    }
  }
  return needed
}

function cleaned(kind: string, one: Json, listed: Listed): Json {
  if (kind === 'responses') return withoutForeignLinks(one, listed) as Json
  if (kind !== 'links') return one
  return Object.fromEntries(Object.entries(one).map(([name, link]) => [name, withoutServer(link)]))
}

/** What a member refers to: by `$ref`, by what a discriminator maps to (also the bare name of a schema), by `security`. */
function namedBy(key: string, member: unknown): readonly Named[] {
  if (key === '$ref') return [referenced(member)].filter((named) => named !== undefined)
  if (key === 'mapping' && isTable(member))
    return Object.values(member).map((to) => referenced(to) ?? { kind: 'schemas', name: String(to) })
  if (key !== 'security' || !Array.isArray(member)) return []
  const names = member.filter(isTable).flatMap((one) => Object.keys(one))
  return names.map((name) => ({ kind: 'securitySchemes', name }))
}

/** The tags that these operations have. */
export function tagsFor(tags: unknown, operations: Readonly<Record<string, Json>>): unknown[] {
  const used = new Set<unknown>()
  for (const item of Object.values(operations))
    for (const operation of Object.values(item))
      if (isTable(operation) && Array.isArray(operation['tags']))
        for (const tag of operation['tags']) used.add(tag)
  return Array.isArray(tags) ? tags.filter((tag) => isTable(tag) && used.has(tag['name'])) : []
}

/** The object that a reference within the document leads to; `undefined` for any other reference. */
export function tableAt(document: Json, ref: string): Json | undefined {
  if (!ref.startsWith('#/')) return undefined
  let value: unknown = document
  for (const part of ref.slice(2).split('/')) {
    const name = unescaped(part)
    value = isTable(value) && Object.hasOwn(value, name) ? value[name] : undefined
  }
  return isTable(value) ? value : undefined
}

/** A part of a JSON pointer in a URL fragment (RFC 6901 §6). */
function unescaped(part: string): string {
  let text = part
  try {
    text = decodeURIComponent(part)
  } catch {
    // No fragment then; taken as it stands.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~')
}
