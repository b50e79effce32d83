import { encodeBase64, encodeUtf8 } from '../core/bytes.ts'
import { sha256 } from '../core/hash.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'

/** Nothing but the page's own style and script runs, nothing is fetched from elsewhere, and nothing frames the page. */
export function contentSecurityPolicy(): string {
  const hash = (text: string): string => `'sha256-${encodeBase64(sha256(encodeUtf8(text)))}'`
  return [
    "default-src 'none'",
    `style-src ${hash(STYLE)}`,
    `script-src ${hash(SCRIPT)}`,
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
