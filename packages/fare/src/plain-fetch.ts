import { Readable } from 'node:stream'
import { Agent, request } from 'undici'

/** A `fetch` that does what curl would: bytes as they come, every port, no header but the ones it was given. */
export interface PlainFetch {
  readonly fetch: typeof globalThis.fetch
  /** Ends every connection, also one whose body nobody reads. */
  close(): Promise<void>
}

/** Challenges may be large: a macaroon of 8 KiB stands in them twice (rule V6). */
const MOST_HEADER_BYTES = 256 * 1024
const BODILESS = [204, 205, 304]

/**
 * Makes a {@link PlainFetch}. `insecure` is `-k`: certificates are not checked. There are no time-outs on the answer,
 * which would cut long downloads; `--max-time` is the user's.
 */
export function plainFetch({ insecure }: { readonly insecure: boolean }): PlainFetch {
  const dispatcher = new Agent({
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MOST_HEADER_BYTES,
    // A connection per request: what was paid for never goes out on one that the server is about to close (rule C6).
    pipelining: 0,
    ...(insecure ? { connect: { rejectUnauthorized: false } } : {}),
  })
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { method = 'GET', headers, body, signal } = init
    const answer = await request(url, {
      dispatcher,
      method: method as 'GET',
      headers: [...new Headers(headers)].flat(),
      body: (body ?? null) as Uint8Array | null,
      signal: signal ?? null,
      responseHeaders: 'raw',
    })
    const { statusCode, statusText } = answer
    const bodiless = BODILESS.includes(statusCode) || method === 'HEAD'
    if (bodiless) await answer.body.dump()
    const response = new Response(
      bodiless ? null : (Readable.toWeb(answer.body) as ReadableStream<Uint8Array>),
      {
        // Some servers answer 999; `Response` takes none of these at first.
        status: statusCode > 599 ? 599 : statusCode,
        statusText: statusText.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, ''),
        headers: headersOf(answer.headers as unknown as readonly string[]),
      },
    )
    if (statusCode > 599) Object.defineProperty(response, 'status', { value: statusCode })
    return response
  }
  return { fetch: fetch as typeof globalThis.fetch, close: () => dispatcher.destroy() }
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
