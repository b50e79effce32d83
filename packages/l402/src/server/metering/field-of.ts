const INDEX = /^(?:0|[1-9][0-9]*)$/

/** What stands at `path` in a JSON value; `undefined` where there is nothing, or `null`. */
export function fieldOf(value: unknown, path: readonly string[]): unknown {
  let at = value
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
    // An array's `length` is nothing that the resource said.
    if (Array.isArray(at) && !INDEX.test(key)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[key]
  }
  return at ?? undefined
}
