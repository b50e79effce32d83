import { expect, it } from 'vitest'
import { cookiePath, readCookies, setCookie, soldName, withoutPageCookies } from './cookies.ts'

const SOLD = soldName({ service: 'weather', capability: 'GET /forecast/*' })
const CREDENTIAL = `${'A'.repeat(40)}:${'0'.repeat(64)}`

it.each([
  ['GET /forecast/*', '/forecast/oslo', '/forecast'],
  ['GET /forecast/:city', '/forecast/oslo', '/forecast'],
  ['GET /forecast/{city}/now', '/forecast/oslo/now', '/forecast'],
  ['/*', '/forecast/oslo', '/'],
  ['GET /a/b', '/a/b', '/a/b'],
  ['GET /forecast/:city', '/mounted/forecast/oslo', '/mounted/forecast/oslo'],
  ['~^/x', '/x/y', '/x/y'],
  ['a name of its own', '/x/y', '/x/y'],
  ['GET /a/*', '/a;path=/', '/'],
  ['any', '/a/b; Domain=evil.example/c', '/a'],
  ['any', '/a/%3B/c', '/a'],
])('scopes a cookie of %s at %s to %s', (name, path, expected) => {
  expect(cookiePath({ name }, path)).toBe(expected)
})

it.each([
  ['GET /forecast/:city', '/shop/forecast/oslo', '/shop/forecast'],
  ['GET /shop/forecast/:city', '/shop/forecast/oslo', '/shop/forecast'],
  ['GET /', '/shop', '/shop'],
  ['/*', '/shop/x', '/shop'],
  ['GET /shop/:city', '/shop/shop/oslo', '/shop/shop'],
  ['a name of its own', '/shop/x/y', '/shop/x/y'],
])('scopes a cookie of %s at %s below /shop to %s', (name, path, expected) => {
  expect(cookiePath({ name, basePath: '/shop' }, path)).toBe(expected)
})

it('reads its own cookies out of several lines, and nothing that has another form', () => {
  const headers = [
    ...['Cookie', `a=b; l402-00000000=${CREDENTIAL}; l402-0000000g=${CREDENTIAL}`],
    ...['cookie', `l402-${SOLD}-12345678=a.b.c; l402-00000000-12345678=a.b.c; l402-11111111=x y:z`],
  ]
  expect(readCookies(headers, SOLD)).toEqual({
    credentials: [CREDENTIAL],
    pending: [{ name: `l402-${SOLD}-12345678`, text: 'a.b.c' }],
  })
})

it('reads a bounded number of them', () => {
  expect(readCookies(['Cookie', others(100).join('; ')], SOLD).credentials).toHaveLength(8)
})

it('reads what was bought of the route that is asked for before all others, however late it comes', () => {
  const lines = ['Cookie', [...others(20), `l402-${SOLD}=${CREDENTIAL}`].join('; ')]
  const { credentials } = readCookies(lines, SOLD)
  expect(credentials).toHaveLength(8)
  expect(credentials[0]).toBe(CREDENTIAL)
})

it('reads each of several cookies of the name of its route: paths and other hosts of a domain can add some', () => {
  const junk = `${'J'.repeat(3_000)}:${'1'.repeat(64)}`
  const own = [junk, 'no credential', junk, CREDENTIAL].map((text) => `l402-${SOLD}=${text}`)
  const { credentials } = readCookies(['Cookie', [...others(8), ...own].join('; ')], SOLD)
  expect(credentials.slice(0, 2)).toEqual([junk, CREDENTIAL])
})

it('reads no more of them together than a request may carry, and not fewer for a long one', () => {
  const { credentials } = readCookies(
    ['Cookie', [...others(7, 3_600), `l402-${SOLD}=${CREDENTIAL}`].join('; ')],
    SOLD,
  )
  expect(credentials[0]).toBe(CREDENTIAL)
  expect(credentials).toHaveLength(5)
  expect(credentials.join().length).toBeLessThan(16_384 - 1_000)
})

/** Cookies of other routes, each with a credential of its own. */
function others(count: number, length = 40): string[] {
  return Array.from({ length: count }, (_, i) => {
    const digits = String(i).padStart(8, '0')
    return `l402-${digits}=${digits.padEnd(length, 'B')}:${'0'.repeat(64)}`
  })
}

it('takes its own cookies out of a line that goes on, and no others', () => {
  expect(withoutPageCookies('session=1; theme=dark')).toBe('session=1; theme=dark')
  expect(withoutPageCookies(`session=1; l402-00000000=${CREDENTIAL}; l402-mine=2`)).toBe(
    'session=1; l402-mine=2',
  )
  expect(withoutPageCookies(`l402-00000000-00000000=a; l402-00000000=b`)).toBeUndefined()
})

it('keeps cookies from scripts and from other sites', () => {
  const line = setCookie('l402-00000000', 'x', { path: '/a', secure: true, maxAge: 60 })
  expect(line).toBe('l402-00000000=x; Path=/a; Max-Age=60; HttpOnly; SameSite=Lax; Secure')
  expect(setCookie('n', 'x', { path: '/', secure: false, maxAge: 0 })).not.toContain('Secure')
})
