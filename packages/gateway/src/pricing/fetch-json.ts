import { Agent, request } from 'undici'

/** Largest answer of a rate source or a pricing hook, in bytes. */
const MOST_BYTES = 65_536

/** What to ask for. */
interface JsonQuestion {
  readonly url: string
  readonly signal: AbortSignal
  /** POSTs this text. */
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Asks for JSON over connections of its own. */
export interface JsonClient {
  /** Throws for anything but a 200 with at most 64 KiB of JSON. Messages hold nothing of the answer. */
  ask(question: JsonQuestion): Promise<unknown>
  close(): Promise<void>
}

/** See {@link JsonClient}. Redirects are not followed. */
export function jsonClient(): JsonClient {
  const dispatcher = new Agent({ connections: 32, keepAliveTimeout: 10_000 })
  return {
    async ask({ url, signal, body, headers }) {
      const answer = await request(url, {
        dispatcher,
        signal,
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
      })
      const text = await boundedText(answer.body)
      if (answer.statusCode !== 200) throw new Error(`answered ${answer.statusCode}, expected 200`)
      try {
        return JSON.parse(text)
      } catch {
        throw new Error('answered something that is not JSON')
      }
    },
    // What is under way ends by itself, or by its deadline.
    close: () => dispatcher.close(),
  }
}

async function boundedText(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  // Leaving the loop early destroys the rest.
  for await (const part of body) {
    length += part.length
    if (length > MOST_BYTES) throw new Error(`answered more than ${MOST_BYTES} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
