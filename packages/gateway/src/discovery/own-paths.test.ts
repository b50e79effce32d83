import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { parseConfig } from '../config/load.ts'
import { documentsOf } from './of-config.ts'
import { documentPaths, gatewayPaths } from './own-paths.ts'

const folder = mkdtempSync(join(tmpdir(), 'own-paths-'))
afterAll(() => rmSync(folder, { recursive: true }))

it.each<[string, unknown[], string[]]>([
  ['none', [undefined, undefined, undefined], ['/x']],
  ['an empty list, which is none', [[], undefined, [{ url: '/v1' }]], ['/v1/x']],
  ['the root', [[{ url: 'https://api.example/' }]], ['/x']],
  ['one with a path', [[{ url: 'https://api.example/v1/' }]], ['/v1/x']],
  ['a relative one', [[{ url: './v1' }]], ['/v1/x']],
  ['one with variables', [[{ url: 'https://a/{v}', variables: { v: { default: 'v2' } } }]], ['/v2/x']],
  ['an operation’s own', [[{ url: '/op' }], [{ url: '/item' }], [{ url: '/doc' }]], ['/op/x']],
  ['a path item’s own', [undefined, [{ url: '/item' }], [{ url: '/doc' }]], ['/item/x']],
  ['several', [[{ url: 'http://a/v1' }, { url: 'http://b/v1' }, { url: 'http://b/v2' }]], ['/v1/x', '/v2/x']],
  ['what is no server', [[7, { url: 'http://[' }, { url: 8 }]], ['/x']],
  ['one with many slashes', [[{ url: `/v1${'/'.repeat(5000)}` }]], ['/v1/x']],
  ['one that no request could name', [[{ url: `/${'v'.repeat(10_000)}` }, { url: '/v1' }]], ['/x', '/v1/x']],
])('paths are below the server: %s', (_, levels, paths) => {
  expect(documentPaths('/x', levels)).toEqual(paths)
})

it.each<[string, string, string, string[]]>([
  ['/base/v1/x', '/base', '', ['/v1/x']],
  ['/bases/x', '/base', '', ['/bases/x']],
  ['/x', '', '/v1', ['/v1/x', '/x']],
  ['/v1/x', '', '/v1', ['/v1/x']],
  ['/v10/x', '', '/v1', ['/v1/v10/x', '/v10/x']],
  ['/base/x', '/base', '/v1', ['/v1/x', '/x']],
  ['/base/v1/x', '/base', '/v1', ['/v1/v1/x']],
  ['/v1', '', '/v1', ['/v1']],
  ['/', '', '/v1', ['/v1/', '/']],
])('%s behind what puts "%s" before and cuts "%s" off is at %j', (path, basePath, stripPrefix, paths) => {
  expect(gatewayPaths(path, { basePath, stripPrefix })).toEqual(paths)
})

/** What `/openapi.json` lists beside the routes' own: the operations of the upstream's document, by path. */
function mergedPaths(document: object, service = 'upstream: http://127.0.0.1:9'): Record<string, string> {
  writeFileSync(join(folder, 'own.json'), JSON.stringify(document))
  const config = parseConfig(
    `listen: 127.0.0.1:0
store: memory
lightning: sandbox
services:
  weather:
    ${service}
    openapi: own.json
    routes:
      - { match: "GET /v1/forecast/*", price: 10 sat }
      - { match: "GET /v2/now", price: 20 sat }
      - { match: "GET /up", free: true }
`,
    { file: 'turnpike.yaml', folder, env: {}, sandbox: true },
  )
  const text = documentsOf(config, config.services, 'regtest')?.('/openapi.json', 'https://a')?.text ?? '{}'
  const { paths } = JSON.parse(text) as { paths: Record<string, { get: { operationId?: string } }> }
  const own = Object.entries(paths).filter(([, { get }]) => get.operationId !== undefined)
  return Object.fromEntries(own.map(([path, { get }]) => [path, get.operationId ?? '']))
}

const operation = (operationId: string, more = {}) => ({
  get: { operationId, responses: { 200: { description: 'Fine.' } }, ...more },
})
const OWN = {
  openapi: '3.1.0',
  info: { title: 'Own', version: '1' },
  servers: [{ url: 'https://staging.example/test' }, { url: 'https://10.9.8.7/v1' }],
  paths: {
    '/forecast/{city}': operation('forecast'),
    '/now': operation('now', { servers: [{ url: 'https://10.9.8.7/v2' }] }),
    '/up': { servers: [{ url: 'https://10.9.8.7' }], ...operation('up') },
    '/unsold': operation('unsold'),
  },
}

it('an upstream’s document is listed where its routes are sold: below the paths of its servers', () => {
  expect(mergedPaths(OWN)).toEqual({ '/v1/forecast/{city}': 'forecast', '/v2/now': 'now', '/up': 'up' })
})

it('a path that the gateway sends below itself is no part of its own', () => {
  const servers = [{ url: 'https://10.9.8.7/inner/v1' }]
  expect(mergedPaths({ ...OWN, servers }, 'upstream: http://127.0.0.1:9/inner')).toMatchObject({
    '/v1/forecast/{city}': 'forecast',
  })
  const rewritten = 'upstream: http://127.0.0.1:9\n    rewrite: { prefix: /inner }'
  expect(mergedPaths({ ...OWN, servers }, rewritten)).toMatchObject({ '/v1/forecast/{city}': 'forecast' })
})
