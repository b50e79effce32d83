import decodeQR from 'qr/decode.js'
import { describe, expect, it } from 'vitest'
import { pageWords } from './options.ts'
import { invoiceSvg } from './qr-svg.ts'
import { renderPage } from './render.ts'

/** What is like an invoice to the code: bech32 letters in no order. */
function invoiceOf(length: number): string {
  const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
  let state = 7
  let text = 'lnbc100n1'
  while (text.length < length) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    text += letters[(state >> 16) & 31]
  }
  return text
}

/** Draws the element's black lines as SVG says, four pixels a module, and reads the code. */
function scan(svg: string): string {
  const size = Number(/viewBox="0 0 (\d+) \1"/.exec(svg)?.[1])
  const path = /<path stroke="#000" d="([^"]+)"\/>/.exec(svg)?.[1] ?? ''
  const scale = 4
  const side = size * scale
  const data = new Uint8Array(side * side * 4).fill(255)
  let [x, y] = [0, 0]
  let read = 0
  for (const [all, command, a = '', b = ''] of path.matchAll(/([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?/g)) {
    read += all.length
    if (command === 'M') [x, y] = [Number(a), Number(b)]
    else if (command === 'm') [x, y] = [x + Number(a), y + Number(b)]
    else {
      // A line one module thick, its middle at y.
      for (let row = (y - 0.5) * scale; row < (y + 0.5) * scale; row++)
        for (let column = x * scale; column < (x + Number(a)) * scale; column++)
          data.fill(0, (row * side + column) * 4, (row * side + column) * 4 + 3)
      x += Number(a)
    }
  }
  if (read !== path.length) throw new Error('expected the commands M, m and h alone')
  return decodeQR({ width: side, height: side, data })
}

function pageOf(invoice: string): string {
  return renderPage(
    {
      title: 'weather',
      brand: undefined,
      invoice,
      paymentHash: '0'.repeat(64),
      amountMsat: 10_000n,
      expiresAt: 2_000_000_000,
      grants: { validSeconds: 3600 },
      notice: undefined,
      pending: 'x'.repeat(700),
      formAction: '/.l402/page',
      target: '/forecast/oslo',
    },
    pageWords({}, {}),
  )
}

describe('the QR code of an invoice', () => {
  it.each([9, 300, 700, 1_200, 2_300, 4_286])('reads back, at %i characters', (length) => {
    const invoice = invoiceOf(length)
    expect(scan(invoiceSvg(invoice, 'code') ?? '')).toBe(`LIGHTNING:${invoice.toUpperCase()}`)
  })

  it('is none where no code can hold the invoice', () => {
    expect(invoiceSvg(invoiceOf(4_287), 'code')).toBeUndefined()
  })
})

describe('the page of a long invoice', () => {
  it.each([
    [300, 20],
    [1_400, 30],
    [2_300, 42],
    [4_286, 70],
  ])('is small: with %i characters under %i KiB', (length, kibibytes) => {
    expect(pageOf(invoiceOf(length)).length).toBeLessThan(kibibytes * 1024)
  })

  it.each([4_287, 5_000, 7_089])(
    'has all but the code where that cannot hold it: %i characters',
    (length) => {
      const invoice = invoiceOf(length)
      const html = pageOf(invoice)
      expect(html).toContain(`href="lightning:${invoice}"`)
      expect(html).toContain(`data-invoice="${invoice}"`)
      expect(html).toContain('id="form"')
      expect(html).not.toMatch(/<svg|class="qr"|undefined/)
    },
  )
})
