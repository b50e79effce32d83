import { contentDigests } from './content-digest.ts'
import type { BodySource } from './enter.ts'
import { pricedParts, statedBytes } from './pricing/fetch-parts.ts'

/** The body of a `Request`, which itself stays unread. */
export function fetchBody(request: Request): BodySource {
  return {
    priced: (query, pricer) => pricedParts(request, query, pricer),
    digest: (query) => contentDigests(request, query),
    uncounted: () => isUncounted(request),
  }
}

/**
 * Whether there is a body whose length is not stated: the handler reads the request that it has, so nobody is in between who
 * could count. A body may have no bytes in it: then there is nothing to charge.
 */
async function isUncounted(request: Request): Promise<boolean> {
  if (statedBytes(request) !== null || request.body === null) return false
  // Read, or being read, by somebody in front.
  if (request.bodyUsed || request.body.locked) return true
  const isEmpty = await comesToNothing(request.clone().body)
  // It goes by unread, as where servers on Node answer at once; else they cut the connection off.
  if (!isEmpty) void request.body.pipeTo(new WritableStream()).catch(() => {})
  return !isEmpty
}

async function comesToNothing(body: ReadableStream<Uint8Array> | null): Promise<boolean> {
  const reader = body?.getReader()
  try {
    let next = await reader?.read()
    while (next?.value?.length === 0) next = await reader?.read()
    return next?.done !== false
  } catch {
    return false
  } finally {
    void reader?.cancel().catch(() => {})
  }
}
