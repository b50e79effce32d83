import type { GateRequest } from '../gate.ts'
import { PRICED_BODY_BYTES, type Pricer } from './pricer.ts'

/** What a pricer is told of a `Request` besides its head; the request itself stays unread. `query` with its `?`. */
export async function pricedParts(
  request: Request,
  query: string,
  { readsBody }: Pricer,
): Promise<Pick<GateRequest, 'query' | 'bodyBytes' | 'bodyHead'>> {
  if (request.body === null) return { query, bodyBytes: 0 }
  return { query, bodyBytes: statedBytes(request), ...(readsBody ? { bodyHead: await headOf(request) } : {}) }
}

/** What `Content-Length` says, in bytes; `null` where it does not, or the body comes in chunks all the same. */
export function statedBytes({ headers }: Request): number | null {
  const stated = headers.get('content-length')
  const known = stated !== null && /^[0-9]{1,15}$/.test(stated)
  return known && !headers.has('transfer-encoding') ? Number(stated) : null
}

async function headOf(request: Request): Promise<Uint8Array> {
  const head = new Uint8Array(PRICED_BODY_BYTES)
  let length = 0
  const reader = request.clone().body?.getReader()
  while (length < head.length) {
    const next = await reader?.read()
    if (next === undefined || next.done) break
    const part = next.value.subarray(0, head.length - length)
    head.set(part, length)
    length += part.length
  }
  void reader?.cancel().catch(() => {})
  return head.slice(0, length)
}
