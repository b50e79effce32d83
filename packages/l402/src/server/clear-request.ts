import { clearCaveats, type Summary } from '../core/clear.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import type { GateRequest } from './gate.ts'

/** Clears a credential's caveats for a request, at `nowSeconds` (unix seconds; -Infinity: whatever its end is). */
export function clearRequest(
  summary: Summary,
  { method, path, clientAddress, headers, route: { capability } }: GateRequest,
  nowSeconds: number,
): ReturnType<typeof clearCaveats> {
  const origin = headerValue(headers, 'origin')
  // Not spread into one: that would cost as much as all the rest of it.
  return origin === undefined
    ? clearCaveats(summary, { nowSeconds, method, path, capability, clientAddress })
    : clearCaveats(summary, { nowSeconds, method, path, capability, clientAddress, origin })
}

/** The first line of a header by its lower-case name. */
export function headerValue(headers: HeaderLines, lowerName: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return headers[i + 1]
  }
  return undefined
}
