/** HTTP/2 by the byte (RFC 9113, RFC 7541): what no library would send. Only as much of it as that needs. */

/** A header line as it stands; nothing is checked. */
export type RawLine = readonly [name: string, value: string]

/** Types of frames. */
export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, goAway: 7, continuation: 9 } as const

const END_STREAM = 1
const END_HEADERS = 4
/** What a frame holds at most while nothing else was agreed on. */
const MOST = 16_384

/** One frame. */
export function frame(
  type: number,
  {
    flags = 0,
    stream = 0,
    payload = '',
  }: { readonly flags?: number; readonly stream?: number; readonly payload?: string },
): string {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return head.toString('latin1') + payload
}

/** What a client begins with. */
export const HELLO: string = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${frame(FRAME.settings, {})}`

/** The frames of a head. */
export function headFrames(
  lines: readonly RawLine[],
  { end, stream = 1 }: { readonly end: boolean; readonly stream?: number },
): string {
  const block = lines.map(([name, value]) => `\0${text(name)}${text(value)}`).join('')
  const pieces = [block.slice(0, MOST)]
  for (let at = MOST; at < block.length; at += MOST) pieces.push(block.slice(at, at + MOST))
  return pieces
    .map((payload, i) =>
      frame(i === 0 ? FRAME.headers : FRAME.continuation, {
        flags: (i === 0 && end ? END_STREAM : 0) | (i === pieces.length - 1 ? END_HEADERS : 0),
        stream,
        payload,
      }),
    )
    .join('')
}

/** A piece of a body. */
export function dataFrame(payload: string, end: boolean): string {
  return frame(FRAME.data, { flags: end ? END_STREAM : 0, stream: 1, payload })
}

/** A string without Huffman coding. */
function text(value: string): string {
  return integer(value.length) + value
}

function integer(value: number): string {
  if (value < 127) return String.fromCharCode(value)
  let out = '\x7f'
  let rest = value - 127
  for (; rest >= 128; rest >>= 7) out += String.fromCharCode((rest & 127) | 128)
  return out + String.fromCharCode(rest)
}

/** What came back so far. */
export interface FramesRead {
  readonly statuses: readonly number[]
  /** The stream has ended, one way or another, or the connection takes no more. */
  readonly over: boolean
}

/** Reads the statuses out of what a server sent. */
export function readFrames(bytes: Buffer): FramesRead {
  const statuses: number[] = []
  let over = false
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3)
    const [type, flags = 0] = [bytes[at + 3], bytes[at + 4]]
    const payload = bytes.subarray(at + 9, at + 9 + length)
    if (payload.length < length) break
    if (type === FRAME.headers) {
      const status = statusOf(payload)
      if (status !== undefined) statuses.push(status)
    }
    if (type === FRAME.reset || type === FRAME.goAway) over = true
    if ((type === FRAME.headers || type === FRAME.data) && (flags & END_STREAM) !== 0) over = true
    at += 9 + length
  }
  return { statuses, over }
}

const INDEXED = [200, 204, 206, 304, 400, 404, 500]

/** `:status` is the first line of a head; where there is none, these are trailers. */
function statusOf(block: Buffer): number | undefined {
  let at = 0
  // Changes of the table's size come first; theirs are short.
  while (((block[at] ?? 0) & 0xe0) === 0x20) at += (block[at] ?? 0) === 0x3f ? 3 : 1
  const first = block[at] ?? 0
  if (first >= 0x88 && first <= 0x8e) return INDEXED[first - 0x88]
  if (first !== 0x48 && first !== 0x08 && first !== 0x18) return undefined
  const length = (block[at + 1] ?? 0) & 0x7f
  const value = block.subarray(at + 2, at + 2 + length)
  return Number(((block[at + 1] ?? 0) & 0x80) === 0 ? value.toString('latin1') : digits(value))
}

/** Three digits in HPACK's Huffman code: 0 to 2 have five bits, the others six. */
function digits(value: Buffer): string {
  const bits = [...value].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  let out = ''
  for (let at = 0; out.length < 3 && at + 5 <= bits.length; ) {
    const short = Number.parseInt(bits.slice(at, at + 5), 2)
    if (short <= 2) out += short
    else out += Number.parseInt(bits.slice(at, at + 6), 2) - 0x16
    at += short <= 2 ? 5 : 6
  }
  return out
}
