/** Header lines as undici hands them over: name, value, … each a buffer, or, in trailers, sometimes a string. */

import type { HeaderLines } from '@turnpike/l402'

/** The lines as text: name, value, … */
export function latin1Lines(raw: readonly unknown[]): HeaderLines {
  return raw.map(latin1)
}

/** The lines as pairs. */
export function latin1Pairs(raw: readonly unknown[]): [name: string, value: string][] {
  const out: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) out.push([latin1(raw[i]), latin1(raw[i + 1])])
  return out
}

/** The values of `Link`. */
export function hintLinks(raw: readonly unknown[]): string[] {
  return latin1Pairs(raw).flatMap(([name, value]) => (name.toLowerCase() === 'link' ? [value] : []))
}

function latin1(text: unknown): string {
  return Buffer.isBuffer(text) ? text.toString('latin1') : String(text)
}
