import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normaliseTarget, type TargetOptions } from './target.ts'

function pathOf(raw: string, options?: TargetOptions): string {
  const target = normaliseTarget(raw, options)
  return target.ok ? target.path : `refused: ${target.detail}`
}

describe('a target that has one reading is put in normal form', () => {
  it.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a/b/', '/a/b/'],
    ['/a.b/..c/d..', '/a.b/..c/d..'],
    ['/...', '/...'],
    ['/a//b', '/a/b'],
    ['//a///b//', '/a/b/'],
    ['//', '/'],
    ['/a/./b', '/a/b'],
    ['/a/../b', '/b'],
    ['/a//../b', '/b'],
    ['/a/b/..', '/a/'],
    ['/a/.', '/a/'],
    ['/../../a', '/a'],
    ['/free/%2e%2e/paid', '/paid'],
    ['/free/.%2E/paid', '/paid'],
    ['/free/%2e/x', '/free/x'],
    ['/%61%5a%30%2d%2E%5f%7e', '/aZ0-._~'],
    ['/a%20b', '/a%20b'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/a%21b%3ac%40', '/a%21b%3Ac%40'],
    ["/a!$&'()*+,=:@b", "/a!$&'()*+,=:@b"],
    ['/a"<>^`{|}[]', '/a%22%3C%3E%5E%60%7B%7C%7D%5B%5D'],
    ['/a;v=1/b', '/a;v=1/b'],
    ['/100%25', '/100%25'],
    ['/100%2525', '/100%2525'],
  ])('%s is %s', (raw, path) => {
    expect(pathOf(raw)).toBe(path)
  })

  it('keeps the query exactly, with its question mark', () => {
    expect(normaliseTarget('/a?x=%2e%2E/../%zz?\\')).toEqual({
      ok: true,
      path: '/a',
      query: '?x=%2e%2E/../%zz?\\',
    })
    expect(normaliseTarget('/./a?')).toEqual({ ok: true, path: '/a', query: '?' })
    expect(normaliseTarget('/a')).toEqual({ ok: true, path: '/a', query: '' })
  })

  it('reads absolute-form and answers the authority in lower case', () => {
    expect(normaliseTarget('HTTP://Api.Example:8080/a/../b?q')).toEqual({
      ok: true,
      path: '/b',
      query: '?q',
      authority: 'api.example:8080',
    })
    expect(normaliseTarget('https://[2001:DB8::1]')).toMatchObject({ path: '/', authority: '[2001:db8::1]' })
    expect(normaliseTarget('http://a?q')).toMatchObject({ path: '/', query: '?q', authority: 'a' })
  })
})

describe('a target with a second reading is refused', () => {
  it.each([
    ['/a%2Fb'],
    ['/a%2fb'],
    ['/a%5Cb'],
    ['/a%5cb'],
    ['/a\\b'],
    ['/free/..\\paid'],
    ['/a%00'],
    ['/a%0d%0aX'],
    ['/a%7f'],
    ['/a\0'],
    ['/a\tb'],
    ['/a b'],
    ['/a\x7f'],
    ['/a\xe9'],
    ['/a\u{1F600}'],
    ['/a%'],
    ['/a%2'],
    ['/a%zz'],
    ['/a%2g'],
    ['/a%u002e'],
    ['/a#b'],
    ['/a?b#c'],
    ['/a?b c'],
    ['/a?\xe9'],
    ['/free/..;/paid'],
    ['/free/..;x=1/paid'],
    ['/free/.;/paid'],
    ['/free/%2e%2e;/paid'],
    ['/free/;x/paid'],
    ['/free/%3bx/paid'],
    ['/free/..%3b/paid'],
    ['/free/%252e%252e/paid'],
    ['/free/%25%32%65./paid'],
    ['/free/.%252e/paid'],
    ['/free/%252e%252e;/paid'],
    ['/free/%252e%252e%253b/paid'],
    ['/free/..%252fpaid'],
    ['/free/a%252F..%252Fpaid'],
    ['/free/..%255cpaid'],
    ['/free/a%2500'],
    ['/free/%c0%ae%c0%ae/paid'],
    ['/free/..%c0%afpaid'],
    ['/free/%e0%80%ae/paid'],
    ['/free/%f0%80%80%ae/paid'],
    [''],
    ['*'],
    ['a/b'],
    ['?q'],
    ['example.com:443'],
    ['ftp://a/b'],
    ['http:/a'],
    ['http:///a'],
    ['http://user@a/b'],
    ['http://a:b/c'],
    ['http://a\\@b/c'],
    ['http://a b/c'],
    ['http://a#b'],
  ])('%j', (raw) => {
    const target = normaliseTarget(raw)
    expect(target).toEqual({ ok: false, detail: expect.any(String) })
    expect(target.ok ? '' : target.detail).not.toContain('paid')
  })
})

describe('an encoded slash that a route asks for', () => {
  it('is kept inside its segment', () => {
    expect(pathOf('/projects/group%2fname/x', { allowEncodedSlash: true })).toBe('/projects/group%2Fname/x')
    expect(pathOf('/fetch/https%3A%2F%2Fexample.com', { allowEncodedSlash: true })).toBe(
      '/fetch/https%3A%2F%2Fexample.com',
    )
  })

  it.each([
    ['/a/..%2fb'],
    ['/a/x%2f%2e%2e%2fb'],
    ['/a/x%2F..;%2Fb'],
    ['/a/x%252f..'],
    ['/a/..%3f'],
    ['/a/..%23x'],
    ['/a/.%253Fx'],
    ['/a/..%3B%3F'],
    ['/a%5cb'],
    ['/a%2f%00'],
  ])('does not carry a disguised dot segment, backslash or control: %s', (raw) => {
    expect(normaliseTarget(raw, { allowEncodedSlash: true }).ok).toBe(false)
  })
})

// What the field's readers make of a path. Each must find in our answer only our answer.
const cutParameters = (path: string): string => path.replace(/;[^/]*/g, '')
const decode = (path: string): string =>
  path.replace(/(?:%[0-9A-F]{2})+/g, (text) =>
    Buffer.from(text.replaceAll('%', ''), 'hex').toString('latin1'),
  )
const readers: Record<string, (path: string) => string> = {
  'the URL standard': (path) => new URL(`http://h${path}`).pathname,
  'a URL parser that collapses slashes': (path) =>
    new URL(`http://h${path}`).pathname.replace(/\/{2,}/g, '/'),
  'decode, then normalise': (path) => posix.normalize(decode(path)),
  'decode twice, then normalise': (path) => posix.normalize(decode(decode(path))),
  'backslash is slash': (path) => posix.normalize(decode(path).replaceAll('\\', '/')),
  'parameters cut off, then normalise': (path) => posix.normalize(cutParameters(path)),
  'decode, parameters cut off, normalise': (path) => posix.normalize(cutParameters(decode(path))),
  'parameters cut off, decode, normalise': (path) => posix.normalize(decode(cutParameters(path))),
  'decode twice, parameters cut off, normalise': (path) =>
    posix.normalize(cutParameters(decode(decode(path)))),
}
const plain: Record<string, (path: string) => string> = {
  'the URL standard': (path) => path,
  'a URL parser that collapses slashes': (path) => path,
  'decode, then normalise': decode,
  'decode twice, then normalise': (path) => decode(decode(path)),
  'backslash is slash': decode,
  'parameters cut off, then normalise': cutParameters,
  'decode, parameters cut off, normalise': (path) => cutParameters(decode(path)),
  'parameters cut off, decode, normalise': (path) => decode(cutParameters(path)),
  'decode twice, parameters cut off, normalise': (path) => cutParameters(decode(decode(path))),
}

const hostile = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom('/', '.', '..', ';', '%2e', '%2E', '%252e', '%25', '%2f', '%3b', '%5c'),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom('//', '\\', '%00', '%zz', '%', '?', '#', '%41', '%c3%a9', '%c0%ae'),
      },
      {
        weight: 2,
        arbitrary: fc.constantFrom('a', 'paid', 'x=1', '~', '%20', '%3B', '%2525', ':', '@', '"', '|'),
      },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 3 }) },
    ),
    { maxLength: 12 },
  )
  .map((parts) => `/${parts.join('')}`)

describe('for every target there is', () => {
  it('normalising twice is normalising once', () => {
    fc.assert(
      fc.property(hostile, fc.boolean(), (raw, allowEncodedSlash) => {
        const once = normaliseTarget(raw, { allowEncodedSlash })
        if (!once.ok) return
        expect(normaliseTarget(once.path + once.query, { allowEncodedSlash })).toEqual(once)
      }),
      { numRuns: 3_000 },
    )
  })

  it('the path holds nothing that decoding once or twice, or cutting parameters, turns into another path', () => {
    fc.assert(
      fc.property(hostile, (raw) => {
        const target = normaliseTarget(raw)
        if (!target.ok) return
        expect(target.path).toMatch(/^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*$/)
        expect(target.path).not.toMatch(/%(?:3[0-9]|4[1-9A-F]|5[0-9A]|6[1-9A-F]|7[0-9A]|2D|2E|5F|7E)/)
        const once = decode(target.path)
        for (const reading of [target.path, once, decode(once)].flatMap((text) => [
          text,
          cutParameters(text),
        ])) {
          expect(reading).not.toMatch(/\/\/|\\|\/\.{1,2}(?:\/|$)/)
          expect(reading.split('/').length).toBe(target.path.split('/').length)
        }
      }),
      { numRuns: 5_000 },
    )
  })

  it.each(Object.keys(readers))('a generous upstream reads our path as our path: %s', (name) => {
    fc.assert(
      fc.property(hostile, (raw) => {
        const target = normaliseTarget(raw)
        if (target.ok) expect(readers[name]?.(target.path)).toBe(plain[name]?.(target.path))
      }),
      { numRuns: 3_000 },
    )
  })

  it('the answer is a value, whatever the text, in time that grows with its length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (raw) => {
        expect(typeof normaliseTarget(raw).ok).toBe('boolean')
      }),
    )
    const started = performance.now()
    for (const part of ['/..', '%25', '/a', '/%2e', '%252', ';', '/a/..'])
      normaliseTarget(`/${part.repeat(200_000)}`)
    expect(performance.now() - started).toBeLessThan(5_000)
  })
})
