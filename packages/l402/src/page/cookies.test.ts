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
  const many = Array.from({ length: 100 }, (_, i) => `l402-${String(i).padStart(8, '0')}=${CREDENTIAL}`)
  expect(readCookies(['Cookie', many.join('; ')], SOLD).credentials).toHaveLength(8)
})

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
