import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileRoutes, type RouteSpec, unreachableRoutes } from './routes.ts'
import { normaliseTarget } from './target.ts'

const specsOf = (...matches: readonly string[]): RouteSpec<string>[] =>
  matches.map((match) => ({ match, value: match }))

function matched(matches: readonly string[], method: string, path: string): string | undefined {
  return compileRoutes(specsOf(...matches)).match(method, path)?.source
}

describe('what a route covers', () => {
  it.each<[string, string, boolean]>([
    ['/a', '/a', true],
    ['/a', '/a/', false],
    ['/a/', '/a', false],
    ['/a', '/A', false],
    ['/', '/', true],
    ['/', '/a', false],
    ['/*', '/', true],
    ['/*', '/a/b', true],
    ['/v1/*', '/v1/', true],
    ['/v1/*', '/v1/a', true],
    ['/v1/*', '/v1/a/b/', true],
    ['/v1/*', '/v1', false],
    ['/v1/*', '/v12', false],
    ['/a/*/b', '/a/x/b', true],
    ['/a/*/b', '/a/x/y/b', false],
    ['/a/*/b', '/a//b', false],
    ['/a/*/b', '/a/b', false],
    ['/a/*/', '/a/x/', true],
    ['/a/*/*', '/a/x/', true],
    ['/a/*/*', '/a/x', false],
    ['/a/*/c/*', '/a/b/c/d/e', true],
    ['/a.b', '/aXb', false],
    ['/a+(b)/*/c', '/a+(b)/x/c', true],
  ])('%s and %s: %s', (match, path, expected) => {
    expect(matched([match], 'GET', path) !== undefined).toBe(expected)
  })

  it('does not tell reserved characters apart by their spelling, in a route or in a request', () => {
    for (const path of ['/users/@me', '/users/%40me']) {
      expect(matched(['/users/@me', '/users/*'], 'GET', path)).toBe('/users/@me')
      expect(matched(['/users/%40me', '/users/*'], 'GET', path)).toBe('/users/%40me')
    }
    expect(matched(['/a/%2A', '/a/*'], 'GET', '/a/*')).toBe('/a/%2A')
    expect(matched(['/a%20b'], 'GET', '/a%20b')).toBe('/a%20b')
  })

  it('leaves a path alone whose parameters hide another route', () => {
    const matches = ['/paid/dear', '/paid/*']
    expect(matched(matches, 'GET', '/paid/dear;x=1')).toBeUndefined()
    expect(matched(matches, 'GET', '/paid/dear%3Bx')).toBeUndefined()
    expect(matched(matches, 'GET', '/paid/cheap;x=1')).toBe('/paid/*')
    expect(matched(['/a;b=1/c'], 'GET', '/a;b=1/c')).toBeUndefined()
  })
})

describe('methods', () => {
  it('none given is any, several are any of them, and HEAD is GET', () => {
    expect(matched(['/a'], 'PROPFIND', '/a')).toBe('/a')
    expect(matched(['GET,POST /a'], 'POST', '/a')).toBe('GET,POST /a')
    expect(matched(['GET,POST /a'], 'PUT', '/a')).toBeUndefined()
    expect(matched(['GET /a', '/a'], 'HEAD', '/a')).toBe('GET /a')
    expect(matched(['GET,HEAD /a'], 'HEAD', '/a')).toBe('GET,HEAD /a')
    expect(matched(['POST /a'], 'HEAD', '/a')).toBeUndefined()
    expect(matched(['GET /a'], 'get', '/a')).toBeUndefined()
  })

  it('of a path are those of all its routes', () => {
    const routes = compileRoutes(specsOf('GET /a', 'POST /a', 'PUT,POST /*', 'DELETE /b'))
    expect([...routes.methodsFor('/a')].sort()).toEqual(['GET', 'HEAD', 'POST', 'PUT'])
    expect(routes.methodsFor('/b')).toEqual(['POST', 'PUT', 'DELETE'])
    expect(compileRoutes(specsOf('GET /a', '/*')).methodsFor('/a')).toBe('any')
    expect(compileRoutes(specsOf('GET /a')).methodsFor('/b')).toEqual([])
  })
})

describe('the first route that matches wins, in the order written', () => {
  it.each<[readonly string[], string, string, string]>([
    [['/a/*', '/a/b'], 'GET', '/a/b', '/a/*'],
    [['/a/b', '/a/*'], 'GET', '/a/b', '/a/b'],
    [['POST /a/*', '/a/b', '/a/*'], 'GET', '/a/b', '/a/b'],
    [['GET /a/*/c', '/a/*', '/a/b/c'], 'POST', '/a/b/c', '/a/*'],
    [['POST /a', 'GET /a'], 'GET', '/a', 'GET /a'],
  ])('%j, %s %s: %s', (matches, method, path, winner) => {
    expect(matched(matches, method, path)).toBe(winner)
  })

  it('matchers take part in it', () => {
    const routes = compileRoutes<string>([
      { match: { methods: ['GET'], path: /^\/v\d+\//, source: '~^/v\\d+/' }, value: 'versioned' },
      { match: '/*', value: 'rest' },
    ])
    expect(routes.match('HEAD', '/v2/a')?.value).toBe('versioned')
    expect(routes.match('POST', '/v2/a')?.value).toBe('rest')
    expect(routes.match('GET', '/x')).toMatchObject({ index: 1, source: '/*' })
  })

  it('as a plain reading of every route in turn says', () => {
    const segment = fc.constantFrom('a', 'b', '*')
    const match = fc
      .tuple(
        fc.constantFrom('', 'GET ', 'POST,PUT '),
        fc.array(segment, { maxLength: 3 }),
        fc.constantFrom('', '/', '/*'),
      )
      .map(([methods, segments, end]) => `${methods}${segments.map((text) => `/${text}`).join('')}${end}`)
      .filter((text) => text.includes('/'))
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 })
      .map((segments) => `/${segments.join('/')}`)
    fc.assert(
      fc.property(
        fc.uniqueArray(match, { maxLength: 6 }),
        path,
        fc.constantFrom('GET', 'POST'),
        (matches, at, method) => {
          const plain = matches.find((text) => {
            const [methods, pattern = ''] = text.includes(' ') ? text.split(' ') : [undefined, text]
            if (methods !== undefined && !methods.split(',').includes(method)) return false
            const rest = pattern.endsWith('/*')
            const want = (rest ? pattern.slice(0, -2) : pattern).split('/')
            const have = at.split('/')
            if (rest ? have.length <= want.length : have.length !== want.length) return false
            return want.every((part, i) => (part === '*' ? have[i] !== '' : part === have[i]))
          })
          expect(matched(matches, method, at)).toBe(plain)
        },
      ),
      { numRuns: 2_000 },
    )
  })
})

describe('a match that cannot be meant is refused at set-up', () => {
  it.each<[string, RegExp]>([
    ['', /must start with `\/`/],
    ['GET', /must start with `\/`/],
    ['forecast', /must start with `\/`/],
    ['GET  /a', /one space/],
    ['GET POST /a', /one space/],
    ['get /a', /capitals/],
    ['GET,,POST /a', /empty method/],
    ['G3T /a', /`G3T`/],
    ['OPTIONS /a', /answered by the server itself/],
    ['GET,TRACE /a', /answered by the server itself/],
    ['HEAD /a', /write GET/],
    ['/a?b', /no query/],
    ['/a#b', /no fragment/],
    ['/a*b', /whole segment/],
    ['/a/**', /whole segment/],
    ['/a/*x/b', /whole segment/],
    ['/a//b', /write `\/a\/b`/],
    ['/a/../b', /write `\/b`/],
    ['/%61', /write `\/a`/],
    ['/a%2e', /write `\/a\.`/],
    ['/%c3%a9', /write `\/%C3%A9`/],
    ['/é', /outside ASCII/],
    ['/a%5Cb', /backslash/],
    ['/a%zz', /two hex digits/],
  ])('%j: %s', (match, message) => {
    expect(() => compileRoutes(specsOf(match))).toThrow(TypeError)
    expect(() => compileRoutes(specsOf(match))).toThrow(message)
  })

  it('is refused when it is there twice, however it is spelled', () => {
    expect(() => compileRoutes(specsOf('GET,POST /a', '/b', 'POST,GET,HEAD /a'))).toThrow(
      'route 3 `POST,GET,HEAD /a` matches the same as route 1',
    )
    expect(() => compileRoutes(specsOf('/@a', '/%40a'))).toThrow(/the same as route 1/)
    expect(() => compileRoutes(specsOf('GET /a', 'POST /a', '/a'))).not.toThrow()
  })
})

describe('unreachable routes', () => {
  it('are named with the one that covers them', () => {
    expect(unreachableRoutes(specsOf('/v1/*', 'GET /v1/a', '/v1/*/b', '/v1', '/v1/'))).toEqual([
      { index: 1, source: 'GET /v1/a', coveredBy: { index: 0, source: '/v1/*' } },
      { index: 2, source: '/v1/*/b', coveredBy: { index: 0, source: '/v1/*' } },
      { index: 4, source: '/v1/', coveredBy: { index: 0, source: '/v1/*' } },
    ])
    expect(unreachableRoutes(specsOf('GET /*', '/a', 'POST /b', '/a/*/c', '/a/*/*'))).toEqual([])
    const any = { match: { path: /^/, source: '~^' }, value: '' }
    expect(unreachableRoutes([any, ...specsOf('/a', '/a/*')]).map(({ index }) => index)).toEqual([1])
  })

  it('never match, and a match for a route says that it is reachable', () => {
    const part = fc.constantFrom('/a', '/b', '/*', '/', '')
    const match = fc.tuple(part, part, part).map((parts) => parts.join('') || '/')
    fc.assert(
      fc.property(fc.array(match, { maxLength: 6 }), fc.array(match, { maxLength: 20 }), (matches, paths) => {
        const specs = specsOf(...new Set(matches.map((text) => text.replace(/\/{2,}/g, '/'))))
        const dead = new Set(unreachableRoutes(specs).map(({ index }) => index))
        const routes = compileRoutes(specs)
        for (const raw of paths) {
          const target = normaliseTarget(raw.replaceAll('*', 'c'))
          const found = target.ok ? routes.match('GET', target.path) : undefined
          if (found !== undefined) expect(dead.has(found.index)).toBe(false)
        }
      }),
    )
  })
})
