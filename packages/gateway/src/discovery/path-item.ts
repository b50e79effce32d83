/** A path of an upstream's own document: its operations, and what they share. */

import { isTable, tableAt, withoutServers } from './own-parts.ts'

type Json = Record<string, unknown>

/** The operations of a path item, as OpenAPI 3.0 and 3.1 name them. */
export const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const

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
  const first = isTable(paths) ? paths[path] : undefined
  const item: Json = {}
  for (let one = first, hops = 0; isTable(one) && hops < MOST_HOPS; hops++) {
    // What stands beside a reference goes before what it leads to.
    for (const [key, value] of Object.entries(one)) if (!(key in item)) item[key] = value
    one = typeof one['$ref'] === 'string' ? tableAt(document, one['$ref']) : undefined
  }
  const operations: Record<string, Json> = {}
  for (const method of METHODS) {
    const operation = item[method]
    if (isTable(operation)) operations[method] = operation
  }
  const shared = Object.entries(withoutServers(item)).filter(
    ([key]) => key === 'summary' || key === 'description' || key === 'parameters',
  )
  return { operations, rest: Object.fromEntries(shared), servers: item['servers'] }
}
