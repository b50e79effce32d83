import fc from 'fast-check'
import { expect, it } from 'vitest'
import { prefersHtml } from './accept.ts'

it.each([
  ['text/html', true],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
  ['text/*', true],
  ['TEXT/HTML ; charset=utf-8', true],
  ['application/json;q=0.5, text/html;q=0.6', true],
  ['text/html;note="a,b;q=0", */*;q=0.1', true],
  ['', false],
  ['*/*', false],
  ['application/json', false],
  ['text/html, application/json', false],
  ['text/html;q=0.5, application/problem+json', false],
  ['text/html;q=0.9, application/*', false],
  ['text/html;q=0', false],
  ['text/html;q=0, */*', false],
  ['text/html;q=2', false],
  ['text/html;q=abc', false],
  ['text/plain', false],
  [`text/html,${'a/b,'.repeat(1000)}`, false],
])('reads what is preferred out of %j', (accept, expected) => {
  expect(prefersHtml(accept)).toBe(expected)
})

it('answers any text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(typeof prefersHtml(text)).toBe('boolean')
    }),
  )
})
