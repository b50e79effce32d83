import type { HeaderLines } from '../../core/header-lines.ts'
import { boundedBytes } from './bounded-bytes.ts'
import { contentOf } from './content.ts'
import { eventStream } from './event-stream.ts'

/**
 * Undoes a content coding of one whole body, named in lower case as in `Content-Encoding`. Bounds what it makes of few bytes.
 * Answers `undefined` for a coding it does not know, or bytes that are not of it.
 */
export type Decode = (encoding: string, bytes: Uint8Array) => Uint8Array | undefined

/** Takes the JSON out of an answer's body. Never throws for what the body holds. */
export interface BodyReader {
  push(chunk: Uint8Array): void
  end(): void
}

/** Largest body, as transferred, that is kept until its end. Event streams without a coding are read as they come. */
const MAX_BYTES = 2 ** 20

const decoder = new TextDecoder()

/** Tells the values of a JSON body, which is one, or of an event stream, which is one for each event that holds JSON. */
export function readBody(
  headers: HeaderLines,
  { onValue, decode }: { readonly onValue: (value: unknown) => void; readonly decode: Decode | undefined },
): BodyReader {
  const { type, codings } = contentOf(headers)
  const onText = (text: string) => {
    const value = parseJson(text)
    if (value !== undefined) onValue(value)
  }
  const events = type === 'text/event-stream' ? eventStream(onText) : undefined
  if (events !== undefined && codings.length === 0) return events
  const kept = boundedBytes(MAX_BYTES)
  return {
    push: kept.push,
    end() {
      const bytes = decoded(codings, { bytes: kept.take(), decode })
      if (bytes === undefined) return
      if (events === undefined) return onText(decoder.decode(bytes))
      events.push(bytes)
      events.end()
    },
  }
}

function decoded(
  codings: readonly string[],
  { bytes, decode }: { readonly bytes: Uint8Array | undefined; readonly decode: Decode | undefined },
): Uint8Array | undefined {
  const [coding] = codings
  if (bytes === undefined || coding === undefined) return bytes
  // Nobody honest applies several; each would multiply the work.
  if (codings.length > 1) return undefined
  try {
    return decode?.(coding, bytes)
  } catch {
    return undefined
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
