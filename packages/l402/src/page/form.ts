import { decodeUtf8 } from '../core/bytes.ts'
import { PAGE_FORM_BYTES } from './with-page.ts'

/** Where a server answers the forms of its payment pages; no route is asked for it. */
export const PAGE_PATH = '/.well-known/l402/page'

/** The form of a request; `null` for one that is longer than a form can be, or no text. */
export async function readForm(request: Request): Promise<string | null> {
  const reader = request.body?.getReader()
  if (reader === undefined) return ''
  const form = new Uint8Array(PAGE_FORM_BYTES)
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return decodeUtf8(form.subarray(0, length)) ?? null
    if (length + value.length > PAGE_FORM_BYTES) {
      await reader.cancel()
      return null
    }
    form.set(value, length)
    length += value.length
  }
}
