/** Links from one operation to another, in an upstream's own document. */

import { componentOf, isTable, pointerOf, referenced } from './own-parts.ts'

type Json = Record<string, unknown>

/** What of an upstream's document is listed. */
export interface Listed {
  /** The document's own components. */
  readonly components: unknown
  /** The listed operations' `operationId`s. */
  readonly ids: ReadonlySet<unknown>
  /** The operations by path, as they are served: a link by another path, below a server's, is left out. */
  readonly paths: Readonly<Record<string, Json>>
}

/** A response without links to operations that are not listed. */
export function withoutForeignLinks(response: unknown, listed: Listed): unknown {
  if (!isTable(response) || !isTable(response['links'])) return response
  const links = Object.entries(response['links'])
    .filter(([, link]) => leadsToListed(link, listed))
    .map(([key, link]) => [key, withoutServer(link)])
  return { ...response, links: Object.fromEntries(links) }
}

/** A link may say where the upstream stands, as operations may. */
export function withoutServer(link: unknown): unknown {
  if (!isTable(link)) return link
  const { server: _, ...kept } = link
  return kept
}

/** Whether all that a link says of where it leads is listed. */
export function leadsToListed(link: unknown, { components, ids, paths }: Listed): boolean {
  const named = isTable(link) ? referenced(link['$ref']) : undefined
  const target = named === undefined ? link : componentOf(components, named)
  if (!isTable(target)) return false
  const { operationId, operationRef } = target
  if (operationId === undefined && operationRef === undefined) return false
  if (operationId !== undefined && !ids.has(operationId)) return false
  if (operationRef === undefined) return true
  const [, root, path = '', method = ''] = pointerOf(operationRef) ?? []
  if (root !== 'paths' || !Object.hasOwn(paths, path)) return false
  return method === '' || Object.hasOwn(paths[path] ?? {}, method)
}
