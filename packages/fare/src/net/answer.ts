/** From what came over the wire to a `Response`, without losing what `Response` does not take. */

import { HeaderList } from './header-list.ts'
import { PlainResponse } from './plain-response.ts'

/** An answer as the HTTP parsers give it. */
export interface RawAnswer {
  readonly status: number
  readonly statusText: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  /** `null` for a HEAD request and statuses without a body. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>> | null
}

const BODILESS = [204, 205, 304]

/** Whether an answer of this status to this method has a body at all. */
export function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && !BODILESS.includes(status)
}

/** Makes the `Response`. */
export function responseOf({ status, statusText, headers, body }: RawAnswer): Response {
  return new PlainResponse({
    status,
    statusText: statusText.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, ''),
    headers: headersOf(headers),
    body,
  })
}

function headersOf(raw: readonly string[]): HeaderList {
  const headers = new HeaderList()
  for (let i = 0; i + 1 < raw.length; i += 2) {
    try {
      headers.append(String(raw[i]), String(raw[i + 1]))
    } catch {
      // Not a legal header line: of no use to anybody.
    }
  }
  return headers
}
