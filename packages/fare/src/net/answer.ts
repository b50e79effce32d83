/** From what came over the wire to a `Response`, without losing what `Response` does not take. */

/** An answer as the HTTP parsers give it. */
export interface RawAnswer {
  readonly status: number
  readonly statusText: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  /** `null` for a HEAD request and statuses without a body. */
  readonly body: ReadableStream<Uint8Array> | null
}

const BODILESS = [204, 205, 304]

/** Whether an answer of this status to this method has a body at all. */
export function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && !BODILESS.includes(status)
}

/** Makes the `Response`. */
export function responseOf({ status, statusText, headers, body }: RawAnswer): Response {
  const response = new Response(body, {
    // Some servers answer 999; `Response` takes none of these at first.
    status: status > 599 ? 599 : status,
    statusText: statusText.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, ''),
    headers: headersOf(headers),
  })
  if (status > 599) Object.defineProperty(response, 'status', { value: status })
  return response
}

function headersOf(raw: readonly string[]): Headers {
  const headers = new Headers()
  for (let i = 0; i + 1 < raw.length; i += 2) {
    try {
      headers.append(String(raw[i]), String(raw[i + 1]))
    } catch {
      // Not a legal header line: of no use to anybody.
    }
  }
  return headers
}
