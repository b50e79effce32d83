/** Which conditions a server says it enforces (protocol §5): it lists them under `x-l402` in its OpenAPI document. */

/** A document larger than this is not read. */
const MOST_BYTES = 1024 * 1024
const TIMEOUT_MS = 10_000

/** The conditions that the server at `origin` lists; `null` where it publishes no list that can be read. */
export async function enforcedConditions(
  origin: string,
  fetch: typeof globalThis.fetch,
): Promise<ListedConditions | null> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const headers = { accept: 'application/json' }
    const answer = await fetch(`${origin}/openapi.json`, {
      method: 'GET',
      headers,
      redirect: 'manual',
      signal,
    })
    if (answer.status !== 200 || !answer.body) {
      await answer.body?.cancel()
      return null
    }
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      length += chunk.length
      if (length > MOST_BYTES) return null
      chunks.push(chunk)
    }
    return listedIn(JSON.parse(Buffer.concat(chunks).toString()))
  } catch {
    // Nothing that can be read there: no list.
    return null
  }
}

/** Names of conditions as a document lists them. */
export interface ListedConditions {
  /** Of no service in particular. */
  readonly all: ReadonlySet<string>
  readonly byService: ReadonlyMap<string, ReadonlySet<string>>
}

/** Every name in `x-l402.conditions`, wherever it stands in the document; `null` where it stands nowhere. */
export function listedIn(document: unknown): ListedConditions | null {
  const all = new Set<string>()
  const byService = new Map<string, Set<string>>()
  let found = false
  const add = (names: Set<string>, list: unknown): void => {
    for (const name of Array.isArray(list) ? list : [list]) if (typeof name === 'string') names.add(name)
  }
  const ofService = (service: string): Set<string> => {
    const names = byService.get(service) ?? new Set()
    byService.set(service, names)
    return names
  }
  const walk = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || depth > 12) return
    for (const [key, child] of Object.entries(value)) {
      const { conditions, service } =
        key === 'x-l402' ? ((child ?? {}) as { conditions?: unknown; service?: unknown }) : {}
      if (typeof conditions === 'object' && conditions !== null) {
        found = true
        // One list, of the service that it stands beside or of all; or one for each service.
        if (Array.isArray(conditions)) add(typeof service === 'string' ? ofService(service) : all, conditions)
        else for (const [name, list] of Object.entries(conditions)) add(ofService(name), list)
      }
      walk(child, depth + 1)
    }
  }
  walk(document, 0)
  return found ? { all, byService } : null
}

/** Whether `condition` of `service` is listed, by its whole name or without the service's. */
export function isListed(
  { all, byService }: ListedConditions,
  { service, condition }: { readonly service: string; readonly condition: string },
): boolean {
  return [all, byService.get(service)].some(
    (names) => names?.has(`${service}_${condition}`) || names?.has(condition),
  )
}
