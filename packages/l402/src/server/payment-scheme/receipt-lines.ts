import type { HeaderLines } from '../../core/header-lines.ts'

/**
 * An entitlement's header lines for an answer with this status. `Payment-Receipt` stands beside 2xx only, and no shared cache
 * may keep it: then the answer's own `Cache-Control` is to be replaced by the one that is among the lines (protocol §6).
 */
export function linesForStatus(lines: HeaderLines, status: number): HeaderLines {
  if (lines.length === 0) return lines
  const at = lines.indexOf('Payment-Receipt')
  if (at < 0) return lines
  if (status >= 200 && status < 300) return [...lines, 'Cache-Control', 'private']
  return [...lines.slice(0, at), ...lines.slice(at + 2)]
}
