/** Whether `Accept-Payment` lets a charge over Lightning in: `lightning/charge, lightning/session;q=0.5, and so on`. */

const RANGES = ['lightning/charge', 'lightning/*', '*/*']
const MAX_TEXT = 4_096

/** Takes all lines, which are one list. Not to be understood: everything is accepted. The most exact of the ranges decides (RFC 9110 §12.5.1). */
export function acceptsPayment(lines: readonly string[], ifLeftOut: boolean): boolean {
  if (lines.length === 0) return ifLeftOut
  const value = lines.join(',')
  if (value.trim() === '' || value.length > MAX_TEXT) return true
  const weights = new Map<string, number>()
  for (const element of value.split(',')) {
    const [range = '', ...params] = element.split(';').map((part) => part.trim().toLowerCase())
    const q = params.find((param) => param.startsWith('q='))?.slice(2) ?? '1'
    if (!/^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(q)) continue
    if (/^[^/\s]+\/[^/\s]+$/.test(range)) weights.set(range, Number(q))
  }
  if (weights.size === 0) return true
  const range = RANGES.find((name) => weights.has(name))
  return range !== undefined && weights.get(range) !== 0
}
