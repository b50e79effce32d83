/** Which conditions a server says it enforces (protocol §5): it lists them under `x-l402` in its OpenAPI document. */

/** A document larger than this is not read. */
const MOST_BYTES = 1024 * 1024
const TIMEOUT_MS = 10_000

/** The conditions that the server at `origin` lists; `null` where it publishes no list that can be read. */
export async function enforcedConditions(
  origin: string,
  fetch: typeof globalThis.fetch,
): Promise<ReadonlySet<string> | null> {
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

/** Every name in `x-l402.conditions`, wherever it stands in the document; `null` where it stands nowhere. */
export function listedIn(document: unknown): ReadonlySet<string> | null {
  const names = new Set<string>()
  let found = false
  const walk = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || depth > 12) return
    for (const [key, child] of Object.entries(value)) {
      const list = key === 'x-l402' ? (child as { conditions?: unknown } | null)?.conditions : undefined
      // One list, or one for each service.
      if (typeof list === 'object' && list !== null) {
        found = true
        for (const name of Object.values(list).flat()) if (typeof name === 'string') names.add(name)
      }
      walk(child, depth + 1)
    }
  }
  walk(document, 0)
  return found ? names : null
}

/** Whether `condition` of `service` is listed, by its whole name or without the service's. */
export function isListed(
  names: ReadonlySet<string>,
  { service, condition }: { readonly service: string; readonly condition: string },
): boolean {
  return names.has(`${service}_${condition}`) || names.has(condition)
}
