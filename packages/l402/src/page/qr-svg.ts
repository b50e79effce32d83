import encodeQR from 'qr'

/** Light modules around the symbol; ISO/IEC 18004 asks for four. */
const QUIET = 4

/**
 * An invoice as an SVG element, black on white whatever the page's colours; `label` is escaped already. `undefined` for more
 * than 4,286 characters: no code holds them.
 */
export function invoiceSvg(invoice: string, label: string): string | undefined {
  const rows = modulesOf(invoice)
  if (rows === undefined) return undefined
  const size = rows.length
  const path = rows.map(rowPath).join('')
  return `<svg role="img" aria-label="${label}" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path stroke="#000" d="${path}"/></svg>`
}

function modulesOf(invoice: string): boolean[][] | undefined {
  try {
    // In upper case it takes the alphanumeric mode, 5.5 bits a character.
    return encodeQR(`LIGHTNING:${invoice.toUpperCase()}`, 'raw', { ecc: 'low', border: QUIET })
  } catch {
    return undefined
  }
}

/** The dark runs of a row, each but the first from the end of the one before: that is shorter than where they are. */
function rowPath(row: readonly boolean[], y: number): string {
  let path = ''
  let end = 0
  for (let x = 0; x < row.length; x++) {
    const from = x
    while (row[x] === true) x++
    if (x === from) continue
    path += `${path === '' ? `M${from} ${y}.5` : `m${from - end} 0`}h${x - from}`
    end = x
  }
  return path
}
