/** What a gateway tells of what it sells, and what it does not. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ask } from './client.ts'
import { cleanUp, folderWith, type Program, run, serve } from './program.ts'

type Json = Record<string, unknown>

const OWN = {
  openapi: '3.0.3',
  info: { title: 'Forecasts', version: '2.1' },
  paths: {
    '/forecast/{city}': {
      parameters: [{ name: 'city', in: 'path', required: true, schema: { type: 'string' } }],
      servers: [{ url: 'http://10.9.8.7' }],
      get: {
        operationId: 'forecast',
        tags: ['cities'],
        responses: {
          200: {
            description: 'A forecast.',
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Forecast' } } },
            links: {
              again: { operationId: 'forecast' },
              more: { operationId: 'covert' },
              there: { operationRef: '#/paths/~1secret~1{id}/get' },
              named: { $ref: '#/components/links/Covert' },
            },
          },
          404: { $ref: '#/components/responses/Lost' },
        },
      },
      delete: { responses: { 204: { description: 'Nothing sells this.' } } },
    },
    '/secret/{id}': {
      get: {
        operationId: 'covert',
        tags: ['covert'],
        security: [{ covertLogin: [] }],
        responses: {
          200: {
            description: 'Hidden below.',
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Covert' } } },
          },
        },
      },
    },
    '/health': {
      get: {
        security: [{ login: [] }],
        servers: [{ url: 'http://10.9.8.7' }],
        responses: { 200: { description: 'Up.' } },
      },
    },
  },
  tags: [{ name: 'cities' }, { name: 'covert', description: 'covert operations' }],
  components: {
    schemas: {
      Forecast: {
        type: 'object',
        properties: { sky: { $ref: '#/components/schemas/Sky' }, servers: { type: 'string' } },
      },
      Sky: {
        oneOf: [{ $ref: '#/components/schemas/Blue' }],
        discriminator: { propertyName: 'kind', mapping: { grey: 'Grey' } },
      },
      Blue: { type: 'object' },
      Grey: { type: 'object' },
      Covert: { type: 'object', description: 'covert' },
    },
    responses: {
      Lost: { description: 'No such city.', links: { more: { operationId: 'covert' } } },
      Covert: { description: 'covert' },
    },
    links: { Covert: { operationId: 'covert' } },
    securitySchemes: {
      login: { type: 'http', scheme: 'basic' },
      covertLogin: { type: 'apiKey', in: 'header', name: 'X-Covert' },
    },
  },
}

const CONFIG = `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
store: memory
lightning: sandbox
discovery: { title: "Weather *and* more", description: Paid by the call }
services:
  weather:
    upstream: sample
    description: Forecasts of cities
    openapi: own.json
    routes:
      - { match: "GET /forecast/*", price: 10 sat, grants: { calls: 5 }, memo: Five forecasts }
      - { match: "POST /query", price: 1500 msat }
      - { match: "/any/*/x", price: 7 sat, grants: { valid: 1h } }
      - { match: "GET /health", free: true }
      - { match: "GET /secret/*", price: 4242 sat, hidden: true }
      - { match: "GET ~^/v[12]/x$", price: 3 sat }
      - { match: "/*", price: 9 sat }
  private:
    upstream: sample
    hidden: true
    routes: [{ match: "GET /inside", price: 777 sat }]
  elsewhere:
    upstream: sample
    hosts: [other.example]
    routes: [{ match: "GET /llms.txt", free: true }, { match: "GET /there", price: 5 sat }]
`

let gateway: Program
beforeAll(async () => {
  const folder = folderWith(CONFIG)
  writeFileSync(join(folder, 'own.json'), JSON.stringify(OWN))
  gateway = await serve(folder)
})
afterAll(cleanUp)

const read = async (path: string, headers: Record<string, string> = {}): Promise<string> => {
  const answer = await ask(gateway.url, 'GET', path, { headers })
  expect([path, answer.status, answer.header('cache-control')]).toEqual([path, 200, 'max-age=300'])
  return answer.body
}

describe('GET /openapi.json', () => {
  it('is OpenAPI 3.1, with the price of every operation, merged into the upstream’s own', async () => {
    const document = JSON.parse(await read('/openapi.json')) as Json
    const { valid, errors } = await new Validator().validate(document)
    expect(errors).toBeUndefined()
    expect(valid).toBe(true)
    expect(document['info']).toMatchObject({ title: 'Weather *and* more', version: '2.1' })
    const paths = document['paths'] as Record<string, Record<string, Json>>
    expect(Object.keys(paths)).toEqual([
      '/forecast/{city}',
      '/health',
      '/forecast/{rest}',
      '/query',
      '/any/{segment1}/x',
      '/{rest}',
    ])
    expect(paths['/forecast/{city}']?.['get']).toMatchObject({
      operationId: 'forecast',
      security: [{ L402: [] }, { Payment: [] }],
      'x-payment-info': {
        offers: [
          { intent: 'charge', method: 'lightning', amount: '10', currency: 'sat' },
          // Five calls for ten satoshis.
          { intent: 'session', method: 'lightning', amount: '2', currency: 'sat' },
        ],
      },
      'x-l402': { service: 'weather', priceMsat: 10_000, reuse: 'bundle', grants: { calls: 5 } },
    })
    // Not a whole satoshi: the other scheme cannot say it.
    expect(paths['/query']?.['post']).not.toHaveProperty('x-payment-info')
    expect(paths['/query']?.['post']).toMatchObject({ 'x-l402': { priceMsat: 1500, reuse: 'single' } })
    expect(paths['/health']?.['get']).toMatchObject({ security: [{ login: [] }] })
    expect(paths['/health']?.['get']).not.toHaveProperty('servers')
    expect((document['x-l402'] as Json)['conditions']).toMatchObject({
      weather: expect.arrayContaining(['weather_max_calls', 'weather_valid_until', 'dpop_jkt', 'crit']),
    })
  })
})

it('offers the Payment scheme to nobody whose challenge could not hold it', async () => {
  const headers = { Host: 'api.example' }
  expect(await read('/openapi.json', headers)).not.toMatch(/"Payment"|x-payment-info/)
  const asked = { ...headers, 'Accept-Payment': 'lightning/charge' }
  const { status, all } = await ask(gateway.url, 'GET', '/forecast/oslo', { headers: asked })
  expect([status, all('www-authenticate').join()]).toEqual([402, expect.not.stringContaining('Payment')])
})

describe('what is kept of the upstream’s own document', () => {
  it('is what listed operations need, and nothing that tells of hidden ones or of where the upstream stands', async () => {
    const text = await read('/openapi.json')
    expect(text).not.toMatch(/covert|10\.9\.8\.7/i)
    const document = JSON.parse(text) as Json
    const { schemas, responses, securitySchemes, links } = document['components'] as Record<string, Json>
    expect(Object.keys(schemas ?? {}).sort()).toEqual(['Blue', 'Forecast', 'Grey', 'Sky'])
    expect(schemas?.['Forecast']).toMatchObject({ properties: { servers: { type: 'string' } } })
    expect(Object.keys(responses ?? {}).sort()).toEqual(['Lost', 'PaymentRequired'])
    expect(Object.keys(securitySchemes ?? {}).sort()).toEqual(['L402', 'Payment', 'login'])
    expect(links).toBeUndefined()
    expect(document['tags']).toEqual([{ name: 'cities' }])
    expect(text).toContain('"again":{"operationId":"forecast"}')
  })
})

/** RFC 9264 §4.2: what a link set in JSON may hold. No schema of it is published; this one says what its text says. */
const TEXT_OR_TEXTS = z.union([z.string(), z.array(z.string())])
const TARGET = z
  .object({
    href: z.string().min(1),
    type: z.string().optional(),
    title: z.string().optional(),
    media: z.string().optional(),
    hreflang: z.array(z.string()).optional(),
  })
  .catchall(TEXT_OR_TEXTS)
const RELATION = /^([a-z][a-z0-9.-]*|https?:\/\/\S+)$/
const LINK_SET = z.strictObject({
  linkset: z.array(
    z
      .object({ anchor: z.url() })
      .catchall(z.array(TARGET).min(1))
      .refine((context) => Object.keys(context).every((name) => RELATION.test(name)))
      .refine((context) => Object.keys(context).length > 1),
  ),
})

/** What 402index reads of a service, by its own program; further members are others'. */
const INDEXED = z.looseObject({
  services: z.array(
    z.looseObject({
      endpoint: z.url({ protocol: /^https?$/ }),
      method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD']),
      description: z.string().min(1),
      protocol: z.literal('L402'),
      price_sats: z.int().nonnegative().nullable(),
      request_schema: z
        .record(z.string(), z.object({ type: z.string(), required: z.boolean().optional() }))
        .optional(),
    }),
  ),
})

describe('by their shapes', () => {
  it('the catalogue is a link set of RFC 9264, with targets that are there', async () => {
    const catalogue = LINK_SET.parse(JSON.parse(await read('/.well-known/api-catalog')))
    const [context] = catalogue.linkset
    const { anchor, ...rest } = context ?? { anchor: '' }
    const relations = rest as Readonly<Record<string, readonly { href: string; type?: string }[]>>
    expect(anchor).toBe(`${gateway.url}/`)
    expect(Object.keys(relations).sort()).toEqual(['item', 'service-desc', 'service-doc', 'service-meta'])
    for (const name of ['service-desc', 'service-doc', 'service-meta'])
      for (const { href, type } of relations[name] ?? []) {
        const answer = await ask(gateway.url, 'GET', href.slice(gateway.url.length))
        expect([href, answer.status]).toEqual([href, 200])
        expect(answer.header('content-type')).toContain(type)
      }
  })

  it('the catalogue names itself to who asks with HEAD alone (RFC 9727)', async () => {
    const head = await ask(gateway.url, 'HEAD', '/.well-known/api-catalog')
    expect([head.status, head.body]).toEqual([200, ''])
    expect(head.header('link')).toBe('</.well-known/api-catalog>; rel="api-catalog"')
  })

  it('the list of services is what 402index reads', async () => {
    const { services } = INDEXED.parse(JSON.parse(await read('/.well-known/l402-services')))
    expect(services.length).toBe(4)
  })

  it('each is less than what crawlers read', async () => {
    for (const path of [
      '/openapi.json',
      '/.well-known/l402-services',
      '/.well-known/api-catalog',
      '/llms.txt',
    ])
      expect((await read(path)).length).toBeLessThan(65_536)
  })
})

describe('what is hidden', () => {
  const HIDDEN = /\b(4242|777)(000)?\b|private|inside|secret|covert|elsewhere/i

  it.each<[string, string, string, Record<string, string>]>([
    ['a path that nothing is at', 'GET', '/.well-known/nothing', {}],
    ['a 402 of what is listed', 'GET', '/forecast/oslo', {}],
    ['a 402 in HTML', 'GET', '/forecast/oslo', { Accept: 'text/html' }],
    ['a 402 with both schemes', 'GET', '/forecast/oslo', { 'Accept-Payment': 'lightning/charge' }],
    ['a 402 of gRPC', 'POST', '/query', { 'Content-Type': 'application/grpc' }],
    ['a method that is none', 'TRACE', '/forecast/oslo', {}],
    ['OPTIONS', 'OPTIONS', '/forecast/oslo', {}],
    [
      'a preflight',
      'OPTIONS',
      '/query',
      { Origin: 'https://a.example', 'Access-Control-Request-Method': 'POST' },
    ],
    ['a balance of nothing', 'GET', '/.well-known/l402/balance', {}],
    ['a bad path', 'GET', '/%2e%2e%2f', {}],
    ['a site map', 'GET', '/sitemap.xml', {}],
    ['robots', 'GET', '/robots.txt', {}],
    ['metrics, which are the operator’s', 'GET', '/metrics', {}],
    ['the admin API, which is the operator’s', 'GET', '/api/v1/routes', {}],
  ])('is in no answer about something else: %s', async (_, method, path, headers) => {
    const answer = await ask(gateway.url, method, path, { headers })
    const lines = ['www-authenticate', 'link', 'allow', 'access-control-allow-methods', 'server', 'location']
    const shown = [answer.body, ...lines.flatMap((name) => answer.all(name))].join('\n')
    // What is sold is sealed in base64, not hidden in it.
    const unsealed = shown.replaceAll(/[A-Za-z0-9+/_-]{40,}=*/g, (sealed) =>
      Buffer.from(sealed, 'base64').toString('latin1'),
    )
    expect(unsealed).not.toMatch(HIDDEN)
  })

  it('is sold all the same to who knows where it is', async () => {
    expect((await ask(gateway.url, 'GET', '/secret/x')).status).toBe(402)
    expect((await ask(gateway.url, 'GET', '/inside')).status).toBe(402)
  })
})

describe('the other documents', () => {
  it('list endpoints in the shape of 402index, under the address that was asked', async () => {
    const { services } = JSON.parse(
      await read('/.well-known/l402-services', { Host: 'api.example:8402' }),
    ) as {
      services: Json[]
    }
    expect(services[0]).toMatchObject({
      endpoint: 'http://api.example:8402/forecast/*',
      method: 'GET',
      price_sats: 10,
      description: 'Five forecasts',
    })
    expect(services.map(({ price_msat }) => price_msat)).toEqual([10_000, 1500, 7000, 9000])
  })

  it('link them by RFC 9727', async () => {
    const answer = await ask(gateway.url, 'GET', '/.well-known/api-catalog')
    expect(answer.header('content-type')).toMatch(/^application\/linkset\+json/)
    const { linkset } = JSON.parse(answer.body) as { linkset: Json[] }
    expect(linkset).toEqual([
      expect.objectContaining({
        anchor: `${gateway.url}/`,
        'service-desc': [{ href: `${gateway.url}/openapi.json`, type: 'application/json' }],
      }),
    ])
  })

  it('say it in words, and nothing an operator writes becomes markup', async () => {
    const text = await read('/llms.txt')
    expect(text).toContain('# Weather \\*and\\* more\n')
    expect(text).toContain('- `GET /forecast/*`: 10 sat for 5 requests (Five forecasts)')
    expect(text).toContain('- `GET /health`: free')
  })

  it.each(['/openapi.json', '/llms.txt', '/.well-known/l402-services', '/.well-known/api-catalog'])(
    'never tell of what is hidden, nor of other hosts: %s',
    async (path) => {
      expect(await read(path)).not.toMatch(/4242|777|private|inside|secret|there|elsewhere/)
    },
  )

  it('are answered to HEAD without a body, and stay the operator’s where a route names or gives them away', async () => {
    const head = await ask(gateway.url, 'HEAD', '/openapi.json')
    expect([head.status, head.body]).toEqual([200, ''])
    const own = await ask(gateway.url, 'GET', '/llms.txt', { headers: { Host: 'other.example' } })
    expect(own.body).not.toContain('# ')
    const listed = await ask(gateway.url, 'GET', '/.well-known/l402-services', {
      headers: { Host: 'other.example' },
    })
    expect(JSON.parse(listed.body)).toMatchObject({ services: [{ endpoint: 'http://other.example/there' }] })
    // Nothing but reading.
    expect((await ask(gateway.url, 'POST', '/openapi.json')).status).toBe(402)
  })
})

describe('discovery', () => {
  it('can be turned off', async () => {
    const plain = CONFIG.replace(/discovery: .*\n/, 'discovery: off\n').replace(
      / {6}- \{ match: "\/\*".*\n/,
      '',
    )
    const folder = folderWith(plain)
    writeFileSync(join(folder, 'own.json'), JSON.stringify(OWN))
    const quiet = await serve(folder)
    expect((await ask(quiet.url, 'GET', '/openapi.json')).status).toBe(404)
  })

  it.each([
    ['{', 'own.json: expected JSON or YAML'],
    ['[]', 'own.json: expected an OpenAPI 3 document'],
    ['{"openapi":"2.0"}', 'own.json: expected an OpenAPI 3 document: "openapi: 3.…"'],
  ])('names a document that is none at the start: %s', async (text, message) => {
    const folder = folderWith(CONFIG)
    writeFileSync(join(folder, 'own.json'), text)
    const { code, err } = await run(folder, ['check'])
    expect(code).toBe(78)
    expect(err).toContain(message)
    expect(err).toMatch(/turnpike\.yaml:\d+:\d+: /)
  })
})
