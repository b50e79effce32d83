/** The documents that tell what is sold (`discovery/`), for nothing, on every host that sells something. */

import { DOCUMENT_PATHS } from '../discovery/documents.ts'
import { sendDocument } from './answers.ts'
import type { FoundRoute } from './find-route.ts'
import type { RequestHead } from './request-head.ts'
import type { Visit } from './visit.ts'

/**
 * Whether the gateway answers itself. A route that names the path, or gives it away, is the operator's word for something
 * else; one that sells everything (`/*`) is not, or nobody could read what it costs.
 */
export function isDocument({ path, route, documents }: FoundRoute, method: string): boolean {
  if (documents === undefined || !DOCUMENT_PATHS.has(path) || (method !== 'GET' && method !== 'HEAD'))
    return false
  if (route === undefined) return true
  const { free, name } = route.terms
  return !free && name !== path && !name.endsWith(` ${path}`)
}

/** Sends it; answers false where there is none. */
export function answerDocument(
  { path, documents }: FoundRoute,
  visit: Visit,
  { head, base }: { readonly head: RequestHead; readonly base: string },
): boolean {
  const document = documents?.(path, base)
  if (document === undefined) return false
  visit.leaveBody(head)
  sendDocument(visit.res, document, head)
  return true
}
