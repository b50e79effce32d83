/** A path of an upstream's own document: its operations, and what they share. */

import { isTable, tableAt } from './own-parts.ts'

type Json = Record<string, unknown>

/**
 * The operations of a path item, as OpenAPI 3.0 and 3.1 name them, that a request can reach: the gateway passes OPTIONS and
 * TRACE on to nobody (protocol S8).
 */
export const METHODS = ['get', 'put', 'post', 'delete', 'head', 'patch'] as const

const SHARED = ['summary', 'description', 'parameters'] as const

/** References to references that are followed. */
const MOST_HOPS = 8

/**
 * Reads it, with what a `$ref` within the document says: a reference that stayed would bring operations along that nothing
 * lists. So would whatever else can hold some, such as the `additionalOperations` of 3.2.
 */
export function pathItemOf(
  document: Json,
  path: string,
): { readonly operations: Record<string, Json>; readonly rest: Json; readonly servers: unknown } {
  const paths = document['paths']
  let one = isTable(paths) && Object.hasOwn(paths, path) ? paths[path] : undefined
  const item: Json = {}
  for (let hops = 0; isTable(one) && hops < MOST_HOPS; hops++) {
    // What stands beside a reference goes before what it leads to.
    for (const key of [...METHODS, ...SHARED, 'servers'])
      if (!(key in item) && Object.hasOwn(one, key)) item[key] = one[key]
    one = tableAt(document, one['$ref'])
  }
  const operations: Record<string, Json> = {}
  for (const method of METHODS) {
    const operation = item[method]
    if (isTable(operation)) operations[method] = operation
  }
  const rest = Object.fromEntries(SHARED.filter((key) => key in item).map((key) => [key, item[key]]))
  return { operations, rest, servers: item['servers'] }
}
