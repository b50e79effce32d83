import { contentDigests } from './content-digest.ts'
import type { BodySource } from './enter.ts'
import { pricedParts } from './pricing/fetch-parts.ts'

/** The body of a `Request`, which itself stays unread. */
export function fetchBody(request: Request): BodySource {
  return {
    priced: (query, pricer) => pricedParts(request, query, pricer),
    digest: (query) => contentDigests(request, query),
  }
}
