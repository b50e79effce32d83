import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseConfig } from '../config/load.ts'
import { documentsOf } from './of-config.ts'

type Json = Record<string, unknown>

const folder = mkdtempSync(join(tmpdir(), 'of-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const OK = { responses: { 200: { description: 'Fine.' } } }

/** All four documents, where a service with this document has these routes. */
function documents(
  own: Json,
  routes: readonly string[],
  { service = '', services = '' }: { readonly service?: string; readonly services?: string } = {},
): { readonly all: string; readonly paths: Record<string, Json> } {
  const document = { openapi: '3.1.0', info: { title: 'Own', version: '1' }, ...own }
  writeFileSync(join(folder, 'own.json'), JSON.stringify(document))
  const config = parseConfig(
    `listen: 127.0.0.1:0
store: memory
lightning: sandbox
services:
${services}
  weather:
    upstream: http://127.0.0.1:9
    openapi: own.json
${service}
    routes:
${routes.map((route) => `      - { ${route} }\n`).join('')}`,
    { file: 'turnpike.yaml', folder, env: {}, sandbox: true },
  )
  const made = documentsOf(config, config.services, 'regtest')
  const texts = ['/openapi.json', '/.well-known/l402-services', '/.well-known/api-catalog', '/llms.txt'].map(
    (path) => made?.(path, 'https://a')?.text ?? '',
  )
  const { paths } = JSON.parse(texts[0] ?? '') as { paths: Record<string, Json> }
  return { all: texts.join(''), paths }
}

/** The paths of the document's own operations that are listed. */
function ownPaths(...of: Parameters<typeof documents>): readonly string[] {
  const { paths } = documents(...of)
  return Object.keys(paths).filter((path) => JSON.stringify(paths[path]).includes('"operationId"'))
}

const get = (operationId = 'own'): Json => ({ get: { ...OK, operationId } })
const ALL_BUT_ADMIN = ['match: "/admin/*", price: 77 sat, hidden: true', 'match: "/*", price: 1 sat']

describe('an operation of an upstream’s document is listed only where its very path is sold', () => {
  it.each([
    '/v1/../admin/x',
    '/v1/%2e%2e/admin/x',
    '/v1/.%2E/admin/x',
    '/v1/{a}/../../admin/x',
    '/../admin/x',
    '/./admin/x',
    '/admin/.',
    '//admin/x',
    '/admin//x',
    '/v1/..\\admin\\x',
    '/v1\\..\\admin/x',
    '/v1/..%2fadmin/x',
    '/v1/..%5cadmin/x',
    '/%61dmin/x',
    '/admin%2Fx',
    '/v1/..;/admin/x',
    '/v1/%252e%252e/admin/x',
    '/v1/{a/../../../admin}/x',
    '/v1/{a?}/x{',
    '/v1/x?admin',
    '/v1/x#admin',
    'admin/x',
    'https://covert.example/v1/admin/x',
    `/v1/${'x'.repeat(10_000)}`,
  ])('not %.40s', (path) => {
    const paths = { [path]: get(), '/v1/good': get() }
    expect(ownPaths({ paths }, ALL_BUT_ADMIN)).toEqual(['/v1/good'])
    const servers = [{ url: 'https://10.9.8.7/v1' }]
    expect(ownPaths({ servers, paths: { [path]: get(), '/good': get() } }, ALL_BUT_ADMIN)).toEqual([
      '/v1/good',
    ])
  })

  it.each(['/v1/%2e%2e/admin', '/v1/..', '/v1/../admin', '/%61dmin', '//10.9.8.7/admin', '/v1\\..\\admin'])(
    'not below the server %s',
    (url) => {
      expect(
        ownPaths({ servers: [{ url }], paths: { '/admin/x': get(), '/x': get() } }, [
          'match: "/admin/*", price: 77 sat, hidden: true',
          'match: "/x", price: 1 sat',
        ]),
      ).toEqual(url === '/v1/..' ? ['/x'] : [])
    },
  )

  it('not where it is hidden below any of its servers', () => {
    const paths = { '/admin/x': get(), '/x': get() }
    const routes = ['match: "/v1/admin/*", price: 77 sat, hidden: true', 'match: "/*", price: 1 sat']
    for (const urls of [
      ['/', '/v1'],
      ['/v1', '/'],
    ])
      expect(ownPaths({ servers: urls.map((url) => ({ url })), paths }, routes)).toHaveLength(1)
  })

  it('with names in it, not by a route that takes one value of them', () => {
    const paths = { '/v1/{id}': get() }
    for (const one of ['x', '7', 'xx'])
      expect(
        ownPaths({ paths }, [
          `match: "/v1/${one}", price: 1 sat`,
          'match: "/v1/*", price: 77 sat, hidden: true',
        ]),
      ).toEqual([])
    expect(
      ownPaths({ paths }, [
        'match: "~/v1/[a-z]+", price: 1 sat',
        'match: "/v1/*", price: 77 sat, hidden: true',
      ]),
    ).toEqual([])
    expect(ownPaths({ paths }, ['match: "~/v1/[0-9]+", price: 1 sat'])).toEqual(['/v1/{id}'])
    expect(
      ownPaths({ paths }, ['match: "/v1/x", price: 77 sat, hidden: true', 'match: "/v1/*", price: 1 sat']),
    ).toEqual(['/v1/{id}'])
  })

  it('not with a method that no request gets through with', () => {
    const { paths } = documents({ paths: { '/x': { get: OK, options: OK, trace: OK } } }, [
      'match: "/x", price: 1 sat',
    ])
    expect(Object.keys(paths['/x'] ?? {})).toEqual(['get'])
  })

  it('not by a hidden route that differs from a listed one in header lines alone', () => {
    const routes = [
      'match: "/x", price: 77 sat, hidden: true, matchHeaders: { X-Covert: "1" }',
      'match: "/x", price: 1 sat',
    ]
    expect(ownPaths({ paths: { '/x': get() } }, routes)).toEqual([])
  })
})

it('paths of an upstream are listed with what is cut off on the way to it', () => {
  const routes = [
    'match: "GET /v1/forecast/*", price: 1 sat',
    'match: "GET /v1/admin/*", price: 77 sat, hidden: true',
    'match: "GET /up", free: true',
  ]
  const paths = { '/forecast/{city}': get(), '/admin/x': get(), '/up': get(), '/v1/forecast/all': get() }
  expect(ownPaths({ paths }, routes, { service: '    rewrite: { stripPrefix: /v1 }' })).toEqual([
    '/v1/forecast/{city}',
    '/up',
    '/v1/forecast/all',
  ])
  const servers = [{ url: 'https://10.9.8.7/api' }]
  expect(
    ownPaths({ servers, paths }, routes, { service: '    rewrite: { stripPrefix: /v1, prefix: /api }' }),
  ).toEqual(['/v1/forecast/{city}', '/up'])
})

it('no document tells of what is hidden, wherever the upstream’s own says it', () => {
  const covert = { ...OK, operationId: 'covert' }
  const free: Json = {
    ...OK,
    operationId: 'up',
    tags: ['open'],
    security: [{ key: [] }],
    callbacks: { covert: { $ref: '#/components/callbacks/covert' }, done: { '{$url}': { post: covert } } },
    servers: [{ url: 'http://10.9.8.7/' }],
    'x-backend': { address: 'http://10.9.8.7/' },
    'x-payment-info': { offers: [{ amount: '77' }] },
    'x-l402': { priceMsat: 77_000 },
  }
  const { all, paths } = documents(
    {
      servers: [{ url: 'http://10.9.8.7/', description: 'covert' }],
      tags: [{ name: 'open' }, { name: 'covert' }],
      security: [{ covert: [] }],
      'x-tagGroups': [{ name: 'covert' }],
      webhooks: { covert: { post: covert } },
      paths: {
        '/up': { get: free },
        '/now': { get: { ...free, operationId: 'now' }, delete: covert },
        '/admin/x': { get: covert },
        '/other/x': { get: covert },
      },
      components: {
        callbacks: { covert: { '{$url}': { post: covert } } },
        pathItems: { covert: { post: covert } },
        securitySchemes: {
          key: { type: 'http', scheme: 'basic' },
          covert: { type: 'http', scheme: 'basic' },
        },
      },
    },
    [
      'match: "GET /up", free: true',
      'match: "GET /now", price: 1 sat',
      'match: "/admin/*", price: 77 sat, memo: covert, hidden: true',
    ],
    {
      services: `  covert:
    hidden: true
    description: covert
    upstream: http://10.9.8.7
    routes:
      - { match: "/other/*", price: 77 sat, memo: covert }`,
    },
  )
  expect(Object.keys(paths)).toEqual(['/up', '/now'])
  expect(paths['/up']).toEqual({
    get: { ...OK, operationId: 'up', tags: ['open'], security: [{ key: [] }] },
  })
  expect(all).not.toMatch(/covert|10\.9\.8\.7|77|admin|other/)
})

it('a service that lists nothing does not even say what it is called', () => {
  const { all } = documents(
    { info: { title: 'covert', version: '1' }, paths: { '/x': get() } },
    ['match: "/x", price: 77 sat, hidden: true'],
    { services: '  open:\n    upstream: http://127.0.0.1:9\n    routes: [{ match: /open, price: 1 sat }]' },
  )
  expect(all).toContain('/open')
  expect(all).not.toMatch(/covert|77/)
})
