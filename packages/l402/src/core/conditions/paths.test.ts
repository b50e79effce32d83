import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coversPaths, matchesPath, type PathPattern, parsePathPattern, paths } from './paths.ts'

function pattern(text: string): PathPattern {
  const result = parsePathPattern(text)
  if (result === undefined) throw new Error(`does not parse: ${text}`)
  return result
}

describe('_paths (protocol §5)', () => {
  it.each([
    ['/v1/*', ['/v1/', '/v1/a', '/v1/a/b', '/v1/a/'], ['/v1', '/', '/v11/', '/v2/a', '/V1/a', '/v1%2Fa']],
    ['/*', ['/', '/a', '/a/b'], ['', 'a']],
    ['/', ['/'], ['', '/a', '//']],
    ['/v2/x', ['/v2/x'], ['/v2/x/', '/v2/xy', '/v2/', '/v2', '/v2/x/y']],
    ['/v1/', ['/v1/'], ['/v1', '/v1/a']],
    ['/*/x', ['/a/x', '/%2F/x'], ['/x', '//x', '/a/b/x', '/a/x/']],
    ['/a/*/c/*', ['/a/b/c/', '/a/b/c/d/e'], ['/a/b/c', '/a//c/d', '/a/b/d/c/']],
    ['/a%20b;v=1/*', ['/a%20b;v=1/c'], ['/a b;v=1/c', '/a%20b/c']],
  ])('%s matches its paths and no others', (text, yes, no) => {
    for (const path of yes) expect(matchesPath(pattern(text), path), path).toBe(true)
    for (const path of no) expect(matchesPath(pattern(text), path), path).toBe(false)
  })

  it.each([
    ...[
      '',
      'v1',
      '*',
      '//',
      '/a//b',
      '/a*',
      '/*a',
      '/a*/b',
      '/**',
      '/**/a',
      '/./a',
      '/../a',
      '/a/..',
      '/a/.',
      '/a?b',
    ],
    ...[
      '/a#b',
      '/a b',
      '/a\\b',
      '/zażółć',
      '/a\n',
      '/a,',
      ',/a',
      '/a,b',
      '/a, /b',
      ' /a',
      'GET /a',
      'https://a/b',
    ],
  ])('%j does not parse', (value) => {
    expect(paths.parse(value)).toBeUndefined()
  })

  it('takes 64 patterns and not 65: narrowing compares each with each', () => {
    const list = (length: number) => Array.from({ length }, (_, i) => `/${i}`).join(',')
    expect(paths.parse(list(64))).toHaveLength(64)
    expect(paths.parse(list(65))).toBeUndefined()
  })

  it('admits what any pattern of the list matches', () => {
    const list = paths.parse('/v1/*,/v2/x') as readonly PathPattern[]
    expect(paths.admits(list, '/v1/a')).toBe(true)
    expect(paths.admits(list, '/v2/x')).toBe(true)
    expect(paths.admits(list, '/v2/y')).toBe(false)
  })

  it.each([
    ['/v1/a/*', '/v1/*', true],
    ['/v1/', '/v1/*', true],
    ['/v1/a', '/*', true],
    ['/v1/*/b', '/v1/*', true],
    ['/v1/a/b', '/v1/*/b', true],
    ['/v1/*,/v2/x', '/v2/*,/v1/*', true],
    ['/v1', '/v1/*', false],
    ['/v1/*', '/v1/a', false],
    ['/v1/*', '/v1/*/b', false],
    ['/v1/*', '/v1/', false],
    ['/*/b', '/v1/b', false],
    ['/a/', '/a/*/b', false],
    ['/v1/a,/v3', '/v1/*', false],
  ])('%s after %s narrows: %s', (later, earlier, expected) => {
    const read = (text: string) => paths.parse(text) as readonly PathPattern[]
    expect(paths.narrows(read(later), read(earlier))).toBe(expected)
  })

  const segment = fc.constantFrom('a', 'b', '*')
  const anyPattern = fc
    .tuple(fc.array(segment, { maxLength: 3 }), fc.constantFrom('', '*', 'a', 'b'))
    .map(([segments, last]) => `/${[...segments, last].join('/')}`)
  // All paths over a small alphabet, long enough to tell any two of the patterns apart.
  const all: string[] = ['/']
  const grow = (prefix: string, depth: number): void => {
    for (const part of ['a', 'b', 'c']) {
      all.push(`${prefix}/${part}`, `${prefix}/${part}/`)
      if (depth > 1) grow(`${prefix}/${part}`, depth - 1)
    }
  }
  grow('', 5)

  it('tells exactly which patterns cover which', () => {
    const tally = { covered: 0, not: 0 }
    fc.assert(
      fc.property(anyPattern, anyPattern, (left, right) => {
        const whole = pattern(left)
        const part = pattern(right)
        const counterexample = all.find((path) => matchesPath(part, path) && !matchesPath(whole, path))
        const covers = coversPaths(whole, part)
        tally[covers ? 'covered' : 'not']++
        expect(counterexample === undefined, `${right} in ${left}, but for ${counterexample}`).toBe(covers)
      }),
      { numRuns: 1000 },
    )
    expect(tally.covered).toBeGreaterThan(50)
    expect(tally.not).toBeGreaterThan(50)
  })

  it('reads any text without an exception, and matches it as a regular expression would', () => {
    const alphabet = fc.constantFrom('/', 'a', 'b', '*', '.', '%', ',', ' ')
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 10 }), fc.constantFrom(...all), (text, path) => {
        const compiled = parsePathPattern(`/${text}`)
        if (compiled === undefined) return
        const source = `/${text}`
          .replace(/[.]/g, '\\.')
          .replace(/\/\*$/, '/REST')
          .replace(/\*/g, '[^/]+')
          .replace('REST', '.*')
        expect(matchesPath(compiled, path)).toBe(new RegExp(`^${source}$`).test(path))
      }),
      { numRuns: 1000 },
    )
  })

  it('matches hostile paths in linear time', () => {
    const many = pattern(`/${'*/'.repeat(2000)}x`)
    const path = '/a'.repeat(200_000)
    const start = performance.now()
    for (let i = 0; i < 10; i++) matchesPath(many, path)
    expect(performance.now() - start).toBeLessThan(1000)
  })
})
