import { expect, it } from 'vitest'
import { takesCookies } from './same-origin.ts'

const base = 'https://shop.example'
const visit = ['Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', 'document', 'Sec-Fetch-User', '?1']

it.each([
  ['GET', [], true],
  ['GET', ['Sec-Fetch-Site', 'none'], true],
  ['GET', ['Sec-Fetch-Site', 'same-origin'], true],
  ['GET', ['Sec-Fetch-Site', 'cross-site', ...visit], true],
  ['GET', ['Sec-Fetch-Site', 'cross-site'], false],
  ['GET', ['Sec-Fetch-Site', 'same-site', 'Sec-Fetch-Mode', 'no-cors', 'Sec-Fetch-Dest', 'image'], false],
  ['GET', ['Sec-Fetch-Site', 'cross-site', ...visit.slice(0, 4)], false],
  ['GET', ['Origin', base], true],
  ['GET', ['Origin', 'https://other.shop.example'], false],
  ['HEAD', ['Sec-Fetch-Site', 'cross-site'], false],
  ['POST', [], false],
  ['POST', ['Origin', base], true],
  ['POST', ['Origin', base, 'Sec-Fetch-Site', 'same-origin'], true],
  ['POST', ['Sec-Fetch-Site', 'same-origin'], true],
  ['POST', ['Origin', 'https://evil.example'], false],
  ['POST', ['Origin', 'null'], false],
  ['POST', ['Origin', base, 'Sec-Fetch-Site', 'same-site'], false],
  ['DELETE', ['Sec-Fetch-Site', 'none'], false],
  ['PUT', ['Sec-Fetch-Site', 'cross-site', ...visit], false],
])('a %s with %j takes cookies: %s', (method, headers, expected) => {
  expect(takesCookies({ method, headers, base })).toBe(expected)
})
