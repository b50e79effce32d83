/** Cuts a stream of server-sent events (WHATWG HTML §9.2.6) into whole events, byte for byte. */

import { joinBytes } from '../../core/bytes.ts'

/** Bytes up to the end of one event, its blank line included. */
export interface EventPiece {
  readonly bytes: Uint8Array
  /**
   * - `data`: an event that the client sees
   * - `done`: one whose data is `[DONE]`, which says that the stream is over
   * - `other`: comments, or fields without data
   * - `part`: the beginning of an event that is longer than what is kept
   */
  readonly kind: 'data' | 'done' | 'other' | 'part'
}

/** See {@link eventSplitter}. */
export interface EventSplitter {
  /** The events that end in this piece of the stream, which may begin and end anywhere. They may share its memory. */
  push(chunk: Uint8Array): readonly EventPiece[]
  /**
   * What has begun and not ended, without what came as `part`; `undefined` where nothing has. The splitter is then at the
   * beginning of an event.
   */
  rest(): EventPiece | undefined
}

/** Longest event that is kept until it ends; of a longer one the bytes come as `part`. */
const MAX_BYTES = 2 ** 20
const LF = 10
const CR = 13
const DATA = [...'data'].map((letter) => letter.charCodeAt(0))
const COLON = 58
const DONE = /(?:^|[\r\n])data: ?\[DONE\](?:[\r\n]|$)/
const DONE_MAX_BYTES = 1024
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

const decoder = new TextDecoder()

/** Makes a splitter for one stream. Keeps at most 1 MiB. */
export function eventSplitter(): EventSplitter {
  let begun: Uint8Array[] = []
  let begunLength = 0
  let previous = 0
  /** Bytes of the line so far, as far as it takes to know `data`; then its length only. */
  let lineLength = 0
  let isData = true
  let dataLines = 0
  let isPart = false
  /** How much of a byte order mark has come; 3: it is over with. */
  let markLength = 0

  function piece(last: Uint8Array, ended: boolean): EventPiece {
    const bytes = begun.length === 0 ? last : joinBytes([...begun, last])
    begun = []
    begunLength = 0
    const kind = kindOf(bytes, ended)
    isPart = !ended
    if (ended) dataLines = 0
    return { bytes, kind }
  }

  function kindOf(bytes: Uint8Array, ended: boolean): EventPiece['kind'] {
    if (!ended) return 'part'
    if (dataLines === 0) return 'other'
    const done =
      dataLines === 1 && !isPart && bytes.length <= DONE_MAX_BYTES && DONE.test(decoder.decode(bytes))
    return done ? 'done' : 'data'
  }

  function endLine(): boolean {
    const blank = lineLength === 0
    // A line that is no more than the name of the field has data, too: the empty text.
    if (!blank && isData && lineLength >= DATA.length) dataLines++
    lineLength = 0
    isData = true
    return blank
  }

  /** The stream without the byte order mark that it may begin with: it would be one no more behind an event of another's. */
  function withoutMark(chunk: Uint8Array): Uint8Array {
    let at = 0
    while (markLength < BYTE_ORDER_MARK.length && at < chunk.length) {
      if (chunk[at] === BYTE_ORDER_MARK[markLength]) {
        markLength++
        at++
        continue
      }
      // It was none after all.
      const back = Uint8Array.from(BYTE_ORDER_MARK.slice(0, markLength))
      markLength = BYTE_ORDER_MARK.length
      return back.length === 0 ? chunk : joinBytes([back, chunk.subarray(at)])
    }
    return at === 0 ? chunk : chunk.subarray(at)
  }

  return {
    push(come) {
      const chunk = markLength < BYTE_ORDER_MARK.length ? withoutMark(come) : come
      const pieces: EventPiece[] = []
      let start = 0
      for (let i = 0; i < chunk.length; i++) {
        const byte = chunk[i] as number
        if (byte === LF || byte === CR) {
          // The LF of a CRLF ends no line of its own; one that comes after its event goes out with the next.
          const ends = byte === CR || previous !== CR
          previous = byte
          if (!ends || !endLine()) continue
          if (byte === CR && chunk[i + 1] === LF) {
            i++
            previous = LF
          }
          pieces.push(piece(chunk.subarray(start, i + 1), true))
          start = i + 1
          continue
        }
        previous = byte
        if (lineLength < DATA.length) isData &&= byte === DATA[lineLength]
        else if (lineLength === DATA.length) isData &&= byte === COLON
        lineLength++
      }
      const rest = chunk.subarray(start)
      if (rest.length === 0) return pieces
      if (begunLength + rest.length > MAX_BYTES) pieces.push(piece(rest, false))
      else {
        begun.push(Uint8Array.from(rest))
        begunLength += rest.length
      }
      return pieces
    },
    rest() {
      if (begunLength === 0 && !isPart) return undefined
      endLine()
      return piece(new Uint8Array(), true)
    },
  }
}
