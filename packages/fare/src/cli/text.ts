import { isL402Error } from '@turnpike/l402'

/** Text from outside, made safe for a terminal: control characters (and so escape sequences) become `�`. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD')
}

/** Rows in aligned columns, two spaces apart. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Local-independent time: `2026-11-24 10:15:00Z`. */
export function timeText(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(0, 19).replace('T', ' ')}Z`
}

/** A text with a full stop at its end. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** Time-outs of undici (proxies and HTTP/2). */
const STAGES: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'no connection within the time of --connect-timeout',
  UND_ERR_HEADERS_TIMEOUT: 'no answer within the time of --response-timeout',
  UND_ERR_BODY_TIMEOUT: 'nothing moved for the time of --idle-timeout',
}

/** What an error says; where that is little (`fetch failed`), what its cause says too. */
export function causeText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'the time of --max-time is over'
  const stage = 'code' in error ? STAGES[String(error.code)] : undefined
  if (stage !== undefined) return stage
  const said = error.message !== '' ? error.message : 'code' in error ? String(error.code) : error.name
  const { cause } = error
  return cause instanceof Error && !isL402Error(error) ? `${said}: ${causeText(cause)}` : said
}
