/** What `Accept-Payment` lets in, and in which order: `lightning/charge, lightning/session;q=0.5, and so on`. */

/** What a server of this scheme can offer. */
export type PaymentIntent = 'charge' | 'session'

const INTENTS: readonly PaymentIntent[] = ['charge', 'session']
const MAX_TEXT = 4_096

/**
 * The intents of the lightning method that are accepted, the dearest to the client first. Takes all lines, which are one list.
 * Not to be understood: everything is accepted. The most exact of the ranges decides (RFC 9110 §12.5.1).
 */
export function acceptedIntents(lines: readonly string[], ifLeftOut: boolean): readonly PaymentIntent[] {
  if (lines.length === 0) return ifLeftOut ? INTENTS : []
  const value = lines.join(',')
  if (value.trim() === '' || value.length > MAX_TEXT) return INTENTS
  const weights = new Map<string, number>()
  for (const element of value.split(',')) {
    const [range = '', ...params] = element.split(';').map((part) => part.trim().toLowerCase())
    const q = params.find((param) => param.startsWith('q='))?.slice(2) ?? '1'
    if (!/^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(q)) continue
    if (/^[^/\s]+\/[^/\s]+$/.test(range)) weights.set(range, Number(q))
  }
  if (weights.size === 0) return INTENTS
  const weightOf = (intent: PaymentIntent): number => {
    const range = [`lightning/${intent}`, 'lightning/*', '*/*'].find((name) => weights.has(name))
    return range === undefined ? 0 : (weights.get(range) ?? 0)
  }
  return INTENTS.filter((intent) => weightOf(intent) > 0).sort((a, b) => weightOf(b) - weightOf(a))
}
