/** Parts of an upstream's own document, and what leads from one to another. */

type Json = Record<string, unknown>

/** Longest reference that is followed. */
const MOST_REFERENCE = 8192

/** An object of JSON. */
export function isTable(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A component by kind and name. */
export interface Named {
  readonly kind: string
  readonly name: string
}

/** The component that a reference leads to or into; `undefined` for any other reference. */
export function referenced(ref: unknown): Named | undefined {
  const [, root, kind, name] = pointerOf(ref) ?? []
  return root !== 'components' || kind === undefined || name === undefined ? undefined : { kind, name }
}

/** A component of these; `undefined` where there is none. */
export function componentOf(components: unknown, { kind, name }: Named): unknown {
  const group = isTable(components) && Object.hasOwn(components, kind) ? components[kind] : undefined
  return isTable(group) && Object.hasOwn(group, name) ? group[name] : undefined
}

/** What a member refers to: by `$ref`, by what a discriminator maps to (also the bare name of a schema), by `security`. */
export function namedBy(key: string, member: unknown): readonly Named[] {
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
export function tableAt(document: Json, ref: unknown): Json | undefined {
  const names = pointerOf(ref)?.slice(1)
  let value: unknown = names === undefined ? undefined : document
  for (const name of names ?? [])
    value = isTable(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return isTable(value) ? value : undefined
}

/** The parts of a JSON pointer in a URL fragment (RFC 6901 §6), `#` first; `undefined` for any other text. */
export function pointerOf(ref: unknown): readonly string[] | undefined {
  if (typeof ref !== 'string' || !ref.startsWith('#/') || ref.length > MOST_REFERENCE) return undefined
  return ref.split('/').map(unescaped)
}

function unescaped(part: string): string {
  if (!/[%~]/.test(part)) return part
  let text = part
  try {
    text = decodeURIComponent(part)
  } catch {
    // No fragment then; taken as it stands.
  }
  return text.replaceAll('~1', '/').replaceAll('~0', '~')
}
