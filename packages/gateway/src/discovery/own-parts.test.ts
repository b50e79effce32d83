import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from 'vitest'
import type { ListedRoute } from './listing.ts'
import { openApiDocument } from './openapi.ts'

type Json = Record<string, unknown>

const route = (path: string, free = false): ListedRoute => ({
  service: 'weather',
  match: `GET ${path}`,
  methods: ['GET'],
  path,
  free,
  priceMsat: 10_000n,
  grants: { calls: 1 },
  reuse: 'single',
  payable: true,
  sessionSats: undefined,
  memo: undefined,
})

/** Sells `GET /now`, gives `GET /up` away, and lists nothing else. */
function merged(own: Json): Json {
  const routes = [route('/now'), route('/up', true)]
  return openApiDocument(
    {
      services: [{ name: 'weather', description: undefined, routes, conditions: [] }],
      titles: { title: undefined, description: undefined },
      own: {
        document: own,
        placeOf: (method, path) =>
          routes
            .filter(({ match }) => match === `${method} ${path}`)
            .map((sold) => ({ path, route: sold }))[0],
      },
    },
    { payment: true },
  )
}

const OK = { responses: { 200: { description: 'Fine.' } } }
const INFO = { title: 'Own', version: '1' }

async function expectValid(document: Json): Promise<void> {
  expect(await new Validator().validate(JSON.parse(JSON.stringify(document)))).toMatchObject({ valid: true })
}

describe('an upstream’s own document', () => {
  it.each(['3.0.3', '3.1.1'])('of OpenAPI %s makes a valid one', async (openapi) => {
    const minimum = openapi.startsWith('3.0')
      ? { minimum: 0, exclusiveMinimum: true }
      : { exclusiveMinimum: 0 }
    const parameter = { name: 'day', in: 'query', schema: { type: 'number', ...minimum } }
    const document = merged({
      openapi,
      info: INFO,
      paths: { '/now': { get: { ...OK, parameters: [parameter] } } },
    })
    // Schemas of 3.0 are not those of 3.1.
    expect(document['openapi']).toBe(openapi.startsWith('3.0') ? '3.0.3' : '3.1.0')
    await expectValid(document)
  })

  it('brings no operation along that nothing lists', async () => {
    const hidden = { ...OK, summary: 'covert' }
    const document = merged({
      openapi: '3.1.0',
      info: INFO,
      paths: {
        '/now': {
          $ref: '#/components/pathItems/Shared',
          post: hidden,
          query: hidden,
          additionalOperations: { COVERT: hidden },
          'x-more': { covert: true },
        },
        '/up': { $ref: '#/paths/~1now', get: { ...OK, summary: 'up' } },
        '/other': { $ref: '#/components/pathItems/Shared' },
        '/far': { $ref: 'http://covert.example/#/x' },
        '/round': { $ref: '#/paths/~1round' },
        'x-covert': hidden,
      },
      components: { pathItems: { Shared: { get: { ...OK, operationId: 'now' }, delete: hidden } } },
      webhooks: { covert: { post: hidden } },
    })
    const paths = document['paths'] as Record<string, Json>
    expect(Object.keys(paths).sort()).toEqual(['/now', '/up'])
    expect(Object.keys(paths['/now'] ?? {})).toEqual(['get'])
    expect(paths['/now']?.['get']).toMatchObject({ operationId: 'now', 'x-l402': { priceMsat: 10_000 } })
    expect(paths['/up']?.['get']).toMatchObject({ summary: 'up' })
    expect(JSON.stringify(document)).not.toContain('covert')
    await expectValid(document)
  })

  it('does not tell in a link where the upstream stands', () => {
    const link = { operationId: 'now', server: { url: 'http://10.9.8.7' } }
    const document = merged({
      openapi: '3.0.0',
      info: INFO,
      paths: {
        '/now': {
          get: {
            operationId: 'now',
            responses: {
              200: { description: 'x', links: { again: link, named: { $ref: '#/components/links/L' } } },
              404: { $ref: '#/components/responses/R' },
            },
          },
        },
      },
      components: { links: { L: link }, responses: { R: { description: 'y', links: { again: link } } } },
    })
    expect(JSON.stringify(document)).not.toContain('10.9.8.7')
    expect(JSON.stringify(document).match(/"operationId":"now"/g)).toHaveLength(4)
  })

  it('asks of free operations what it asks of all', () => {
    const document = merged({
      openapi: '3.0.0',
      info: INFO,
      security: [{ login: [] }],
      paths: { '/now': { get: OK }, '/up': { get: OK } },
      components: { securitySchemes: { login: { type: 'http', scheme: 'basic' } } },
    })
    const paths = document['paths'] as Record<string, { get: Json }>
    expect(paths['/up']?.get['security']).toEqual([{ login: [] }])
    expect(paths['/now']?.get['security']).toEqual([{ L402: [] }, { Payment: [] }])
  })

  it('may be broken in any part, and what is sold is told all the same', async () => {
    const broken: Json[] = [
      { paths: { '/now': null, '/up': 'x' } },
      { paths: { '/now': { get: 'x', post: [] } }, info: 'x', tags: 'y', components: 7 },
      { paths: { '/now': { get: { responses: 7, security: 'x' } } }, components: { schemas: null } },
      { paths: { '/now': [] }, components: { links: [] }, security: { a: 1 } },
    ]
    for (const own of broken) {
      const document = merged({ openapi: '3.1.0', ...own })
      expect(document).toMatchObject({ paths: { '/now': { get: { 'x-l402': { priceMsat: 10_000 } } } } })
      await expectValid(document)
    }
  })
})
