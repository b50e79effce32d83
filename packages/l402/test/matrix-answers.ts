/** What the matrix's handlers answer, as fetch and Node have it, and routing for servers that bring none. */

import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { MatrixRoute, Served } from './matrix.ts'

export function servedResponse({ status = 200, headers = {}, body }: Served): Response {
  if (typeof body === 'string') return new Response(body, { status, headers })
  const pieces = body[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next()
      if (done === true) controller.close()
      else controller.enqueue(encoder.encode(value))
    },
  })
  return new Response(stream, { status, headers })
}

export async function serveNode(
  res: ServerResponse,
  { status = 200, headers = {}, body }: Served,
): Promise<void> {
  if (typeof body === 'string') {
    res.writeHead(status, headers).end(body)
    return
  }
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  await pipeline(Readable.from(body), res)
}

/** As generous as routers get: any case, empty segments skipped, a slash at the end allowed, segments decoded. */
export function findRoute(
  routes: readonly MatrixRoute[],
  method: string,
  target: string,
): MatrixRoute | undefined {
  const segments = segmentsOf(target)
  const asked = method === 'HEAD' ? 'GET' : method
  return routes.find((route) => {
    const wanted = segmentsOf(route.path)
    return (
      (route.method === 'ALL' || route.method === asked) &&
      wanted.length === segments.length &&
      wanted.every((segment, i) => segment.startsWith(':') || segment === segments[i]?.toLowerCase())
    )
  })
}

/** The segments of a path, as a generous reader has them. */
export function segmentsOf(target: string): readonly string[] {
  const path = target.replace(/^https?:\/\/[^/]*/, '').replace(/[?#].*$/, '')
  let decoded = path
  try {
    decoded = decodeURIComponent(path)
  } catch {}
  return decoded.split(/[/\\]/).filter((segment) => segment !== '' && segment !== '.')
}
