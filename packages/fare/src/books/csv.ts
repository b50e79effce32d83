/** Rows as CSV (RFC 4180). A text that a spreadsheet would take for a formula stands behind an apostrophe. */
export function toCsv(rows: readonly (readonly (string | bigint | number | null)[])[]): string {
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}

function cell(value: string | bigint | number | null): string {
  if (value === null) return ''
  if (typeof value !== 'string') return value.toString()
  const text = /^[=+\-@＝＋－＠\t\r\n]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
