import type { ClientAnswer } from './client-side.ts'
import { hintLinks } from './raw-lines.ts'

/** Sends early hints (RFC 8297) as they come, to clients whose version of HTTP knows them. */
export function sendHints(res: ClientAnswer, raw: readonly unknown[]): void {
  const link = hintLinks(raw)
  if (link.length === 0 || res.req.httpVersion === '1.0') return
  try {
    res.writeEarlyHints({ link })
  } catch {
    // Not a link that Node sends: a hint can be left out.
  }
}
