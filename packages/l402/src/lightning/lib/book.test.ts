import { expect, it } from 'vitest'
import { Book } from './book.ts'

const WEEK = 7 * 24 * 3600

it('forgets records a week after they have expired', () => {
  const book = new Book<{ expiresAt: number }>()
  book.set('old', { expiresAt: 1000 }, 900)
  book.set('young', { expiresAt: 2000 }, 1000 + WEEK)
  expect(book.get('old')).toBeDefined()
  book.set('new', { expiresAt: WEEK }, 1100 + WEEK)
  expect(book.get('old')).toBeUndefined()
  expect(book.get('young')).toBeDefined()
})

it('keeps at most so many records, dropping the oldest', () => {
  const book = new Book<{ expiresAt: number }>(() => true, 3)
  for (const key of ['a', 'b', 'c', 'd', 'e']) book.set(key, { expiresAt: 1e9 }, 0)
  expect(book.size).toBe(3)
  expect(book.get('b')).toBeUndefined()
  expect(book.get('c')).toBeDefined()
})

it('keeps what is still at work', () => {
  const book = new Book<{ expiresAt: number; busy: boolean }>(({ busy }) => !busy, 2)
  book.set('busy', { expiresAt: 0, busy: true }, 0)
  book.set('done', { expiresAt: 0, busy: false }, 0)
  book.set('next', { expiresAt: 0, busy: true }, 10 * WEEK)
  book.set('last', { expiresAt: 0, busy: true }, 11 * WEEK)
  expect(book.get('busy')).toBeDefined()
  expect(book.get('done')).toBeUndefined()
  expect(book.size).toBe(3)
})
