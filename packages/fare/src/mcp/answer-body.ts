/** What a tool says of an answer's body: text inline up to a bound, else a resource, or a file where one was asked for. */

import { UnpackError } from '../net/unpack-bounds.ts'
import type { Bodies, KeptBody } from './bodies.ts'
import { createOutput } from './output-folder.ts'
import type { SecretFilter } from './secret-filter.ts'

/** Text up to this many characters stands in the answer itself. */
const MOST_INLINE_CHARACTERS = 50_000
/** Of larger text this much is shown. */
const PREVIEW_CHARACTERS = 2_000
/** Bodies are read this far into memory, and files written this far. */
const MOST_MEMORY_BYTES = 16 * 1024 * 1024
const MOST_FILE_BYTES = 1024 * 1024 * 1024

/** A body, handed over. */
export interface HandedBody {
  /** Bytes that were read. */
  readonly bytes: number
  /** The rest was not read. */
  readonly truncated: boolean
  /** The server or the connection ended it early. */
  readonly cut: boolean
  /** Why, where it became too large when its coding was taken off; `null` else. */
  readonly tooLarge: string | null
  readonly contentType: string | null
  /** All of a small text, the start of a large one, `null` of what is none. */
  readonly text: string | null
  readonly resource: KeptBody | null
  readonly file: string | null
}

/** Where a body goes. */
export interface BodyPlace {
  readonly bodies: Bodies
  /** Where it came from, without query. */
  readonly source: string
  /** Secrets that must not come back in it. */
  readonly secrets: SecretFilter
  readonly file: { readonly folder: string; readonly name: string } | null
}

/** Reads the body, whose connection it ends. Throws `OutputRefused` where its file cannot be made. */
export async function handBody(response: Response, place: BodyPlace): Promise<HandedBody> {
  const type = response.headers.get('content-type')
  const contentType = type && place.secrets.text(type)
  if (place.file !== null) {
    const { path, handle } = await createOutput(place.file.folder, place.file.name)
    // The folder is the agent's: what must not come before it must not lie there either (rule C10).
    const clean = place.secrets.stream()
    try {
      const read = await drain(response, MOST_FILE_BYTES, async (chunk) => {
        await handle.writeFile(clean.push(chunk))
      })
      await handle.writeFile(clean.end())
      return { ...read, contentType, text: null, resource: null, file: path }
    } finally {
      await handle.close()
    }
  }
  const chunks: Uint8Array[] = []
  const read = await drain(response, MOST_MEMORY_BYTES, async (chunk) => {
    chunks.push(chunk)
  })
  const whole = new Uint8Array(Buffer.concat(chunks))
  const decoded = textOf(whole, type)
  const text = decoded === null ? null : place.secrets.text(decoded)
  const bytes = decoded === null ? place.secrets.bytes(whole) : whole
  const base = { ...read, contentType, file: null }
  if (bytes.length === 0 || (text !== null && text.length <= MOST_INLINE_CHARACTERS))
    return { ...base, text: text ?? '', resource: null }
  const mimeType = contentType?.split(';')[0]?.trim() || 'application/octet-stream'
  const resource = place.bodies.keep({ bytes, mimeType, text, source: place.source })
  return { ...base, text: text === null ? null : text.slice(0, PREVIEW_CHARACTERS), resource }
}

async function drain(
  response: Response,
  mostBytes: number,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<Pick<HandedBody, 'bytes' | 'truncated' | 'cut' | 'tooLarge'>> {
  const reader = response.body?.getReader()
  let bytes = 0
  const end = (how: Partial<HandedBody>) => ({ bytes, truncated: false, cut: false, tooLarge: null, ...how })
  if (reader === undefined) return end({})
  try {
    for (;;) {
      const next = await reader.read().catch((cause: unknown) => ({ cause }))
      if ('cause' in next)
        return end({ cut: true, tooLarge: next.cause instanceof UnpackError ? next.cause.message : null })
      if (next.done) return end({})
      const room = mostBytes - bytes
      const chunk = next.value.length > room ? next.value.subarray(0, room) : next.value
      await write(chunk)
      bytes += chunk.length
      if (chunk.length < next.value.length) return end({ truncated: true })
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** The text, in the encoding that the server names or UTF-8; `null` for what is none. */
function textOf(bytes: Uint8Array, contentType: string | null): string | null {
  const charset = /charset="?([\w.:-]+)/i.exec(contentType ?? '')?.[1] ?? 'utf-8'
  try {
    const text = new TextDecoder(charset, { fatal: true }).decode(bytes)
    // Bytes that happen to be legal text: what no text holds gives them away.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    return /[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? null : text
  } catch {
    return null
  }
}
