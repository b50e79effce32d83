import { expect, it } from 'vitest'
import { readRedisUrl, redisPlace } from './target.ts'

it('reads where a server is, and how to get in', () => {
  expect(readRedisUrl('redis://localhost')).toEqual({
    host: 'localhost',
    port: 6379,
    tls: false,
    database: 0,
    username: undefined,
    password: undefined,
    place: 'redis://localhost:6379/0',
  })
  expect(readRedisUrl('rediss://seller:p%40ss@[::1]:7000/3')).toEqual({
    host: '::1',
    port: 7000,
    tls: true,
    database: 3,
    username: 'seller',
    password: 'p@ss',
    place: 'rediss://[::1]:7000/3',
  })
  expect(redisPlace('redis://:secret@books/2')).toBe('redis://books:6379/2')
})

it.each([
  ['', /is not one, expected redis:/],
  ['secret', /is not one/],
  ['http://u:secret@host', /is not one/],
  ['redis:secret', /is not one/],
  ['redis:///secret', /is not one/],
  ['redis://u:secret@host:99999', /is not one/],
  ['redis://u:secret@host/books', /more than where it is/],
  ['redis://u:secret@host/1?secret=1', /more than where it is/],
  ['redis://u:secret%zz@host', /percent-encoded/],
])('refuses %j without repeating it', (url, message) => {
  const read = (): unknown => readRedisUrl(url)
  expect(read).toThrow(RangeError)
  expect(read).toThrow(message)
  expect(read).not.toThrow(/secret/)
})
