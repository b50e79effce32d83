import { expect, it } from 'vitest'
import { InvoiceBook } from './invoice-book.ts'

const hash = new Uint8Array(32).fill(1)

it('takes a payment once, in time, in full, of an invoice of its own', () => {
  let now = 1000
  const book = new InvoiceBook(() => now)
  expect(book.accepts(hash, 500n)).toBe(false)
  expect(book.state(hash)).toBe('unknown')
  book.add(hash, { expiresAt: 1060, amountMsat: 500n })
  expect(book.accepts(hash, 499n)).toBe(false)
  now = 1059
  expect(book.accepts(hash, 500n)).toBe(true)
  expect(book.state(hash)).toBe('open')
  now = 1060
  expect(book.accepts(hash, 500n)).toBe(false)
  expect(book.state(hash)).toBe('expired')
  book.settle(hash, 500n)
  expect(book.state(hash)).toBe('settled')
  now = 1000
  expect(book.accepts(hash, 500n)).toBe(false)
  expect(book.receivedMsat).toBe(500n)
})
