import { type BoundedBytes, boundedBytes } from './bounded-bytes.ts'

/** Longest line, and longest data of one event, that is read. What is longer is skipped. */
const MAX_BYTES = 2 ** 20
const LF = 10
const CR = 13

// Replaces what is no UTF-8, as the standard demands, and drops a byte order mark.
const decoder = new TextDecoder()

/** Server-sent events as they come. */
export interface EventStream {
  /** Pieces may begin and end anywhere. */
  push(chunk: Uint8Array): void
  /** The stream is over: an event that was not closed by a blank line counts, too. */
  end(): void
}

/** Reads server-sent events (WHATWG HTML §9.2.6) and tells the data of each. Names, ids and comments are not looked at. */
export function eventStream(onData: (data: string) => void): EventStream {
  /** The beginning of a line that came in earlier pieces. */
  const begun: BoundedBytes = boundedBytes(MAX_BYTES)
  let previous = 0
  let data: string[] = []
  let dataLength = 0

  function endEvent(): void {
    if (data.length > 0) onData(data.join('\n'))
    data = []
    dataLength = 0
  }

  function endLine(bytes: Uint8Array | undefined): void {
    if (bytes === undefined || bytes.length > MAX_BYTES) return
    const line = decoder.decode(bytes)
    if (line === '') endEvent()
    if (!line.startsWith('data:')) return
    const value = line.slice(line[5] === ' ' ? 6 : 5)
    dataLength += value.length + 1
    if (dataLength <= MAX_BYTES) data.push(value)
    else data = []
  }

  return {
    push(chunk) {
      let start = 0
      for (let i = 0; i < chunk.length; i++) {
        const byte = chunk[i] as number
        if (byte === LF || byte === CR) {
          // The LF of a CRLF ends no line of its own.
          if (byte === CR || previous !== CR) {
            const rest = chunk.subarray(start, i)
            if (begun.empty) endLine(rest)
            else {
              begun.push(rest)
              endLine(begun.take())
            }
          }
          start = i + 1
        }
        previous = byte
      }
      if (start < chunk.length) begun.push(chunk.subarray(start))
    },
    end() {
      if (!begun.empty) endLine(begun.take())
      endEvent()
    },
  }
}
