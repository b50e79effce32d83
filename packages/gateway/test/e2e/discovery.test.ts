/** What a gateway tells of what it sells, and what it does not. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from './client.ts'
import { cleanUp, folderWith, type Program, run, serve } from './program.ts'

type Json = Record<string, unknown>

const OWN = {
  openapi: '3.0.3',
  info: { title: 'Forecasts', version: '2.1' },
  paths: {
    '/forecast/{city}': {
      parameters: [{ name: 'city', in: 'path', required: true, schema: { type: 'string' } }],
      servers: [{ url: 'http://upstream.internal:9000' }],
      get: {
        operationId: 'forecast',
        tags: ['forecasts'],
        servers: [{ url: 'http://upstream.internal:9000' }],
        responses: { 200: { $ref: '#/components/responses/Answer' } },
      },
      delete: { responses: { 204: { description: 'Nothing sells this.' } } },
    },
    '/secret/{id}': { get: { responses: { 200: { description: 'Hidden below.' } } } },
  },
  tags: [{ name: 'forecasts' }, { name: 'secret-tag' }],
  components: {
    responses: {
      Answer: {
        description: 'A forecast.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Forecast' } } },
      },
    },
    schemas: { Forecast: { type: 'object' }, SecretThing: { type: 'object' } },
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
      '/forecast/{rest}',
      '/query',
      '/any/{segment1}/x',
      '/health',
      '/{rest}',
    ])
    expect(paths['/forecast/{city}']?.['get']).toMatchObject({
      operationId: 'forecast',
      security: [{ L402: [] }, { Payment: [] }],
      'x-payment-info': {
        offers: [{ intent: 'charge', method: 'lightning', amount: '10', currency: 'sat' }],
      },
      'x-l402': { service: 'weather', priceMsat: 10_000, reuse: 'bundle', grants: { calls: 5 } },
    })
    // Not a whole satoshi: the other scheme cannot say it.
    expect(paths['/query']?.['post']).not.toHaveProperty('x-payment-info')
    expect(paths['/query']?.['post']).toMatchObject({ 'x-l402': { priceMsat: 1500, reuse: 'single' } })
    expect(paths['/health']?.['get']).not.toHaveProperty('security')
    expect(document['components']).toMatchObject({
      schemas: { Forecast: { type: 'object' } },
      responses: { Answer: { description: 'A forecast.' } },
    })
    expect(document['tags']).toEqual([{ name: 'forecasts' }])
    // Neither what only the hidden ones need, nor where the upstream is.
    expect(JSON.stringify(document)).not.toMatch(/SecretThing|secret-tag|upstream\.internal/)
    expect((document['x-l402'] as Json)['conditions']).toMatchObject({
      weather: expect.arrayContaining(['weather_max_calls', 'weather_valid_until', 'dpop_jkt', 'crit']),
    })
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
