import encodeQR from 'qr'

/** Light modules around the symbol; ISO/IEC 18004 asks for four. */
const QUIET = 4

/** An invoice as an SVG element, black on white whatever the page's colours; `label` is escaped already. */
export function invoiceSvg(invoice: string, label: string): string {
  // In upper case it takes the alphanumeric mode, 5.5 bits a character.
  const rows = encodeQR(`LIGHTNING:${invoice.toUpperCase()}`, 'raw', { ecc: 'low', border: QUIET })
  const size = rows.length
  let path = ''
  rows.forEach((row, y) => {
    for (let x = 0; x < row.length; x++) {
      const from = x
      while (row[x] === true) x++
      if (x > from) path += `M${from} ${y}.5h${x - from}`
    }
  })
  return `<svg role="img" aria-label="${label}" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path stroke="#000" d="${path}"/></svg>`
}
