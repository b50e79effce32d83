import { describe, expect, it } from 'vitest'
import { withComponents } from './own-components.ts'

type Json = Record<string, unknown>

/** What stays of these components where `GET /now` is listed, and is this. */
function complete(operation: Json, components: Json) {
  const paths = { '/now': { get: { operationId: 'now', ...operation } } }
  const made = withComponents({ components, ids: new Set(['now']), paths })
  return { operation: made.paths['/now']?.['get'] as Json, components: made.components }
}

/** An operation that answers with what a schema says. */
const answering = (schema: Json): Json => ({
  responses: { 200: { description: 'Fine.', content: { 'application/json': { schema } } } },
})
const ref = (kind: string, name: string): Json => ({ $ref: `#/components/${kind}/${name}` })

describe('components that refer to each other', () => {
  it.each<[string, string, Json]>([
    ['a response, with links', 'responses', { A: { ...ref('responses', 'A'), description: 'x', links: {} } }],
    [
      'two responses, with links',
      'responses',
      { A: { ...ref('responses', 'B'), links: {} }, B: { ...ref('responses', 'A'), links: {} } },
    ],
    [
      'two schemas',
      'schemas',
      { A: { properties: { b: ref('schemas', 'B') } }, B: { items: ref('schemas', 'A') } },
    ],
  ])('in a circle are listed once: %s', (_, kind, group) => {
    const operation = kind === 'schemas' ? answering(ref(kind, 'A')) : { responses: { 200: ref(kind, 'A') } }
    expect(complete(operation, { [kind]: group })).toEqual({
      operation: { operationId: 'now', ...operation },
      components: { [kind]: group },
    })
  })

  it('in a circle of links tell of no operation, and are left out', () => {
    const links = { again: { operationId: 'now' }, round: ref('links', 'L') }
    const made = complete(
      { responses: { 200: { description: 'x', links } } },
      { links: { L: ref('links', 'L') } },
    )
    expect(made.operation['responses']).toEqual({
      200: { description: 'x', links: { again: { operationId: 'now' } } },
    })
    expect(made.components).toEqual({})
  })

  it('in a chain are all listed, however long it is', () => {
    const length = 20_000
    const chain = (next: (i: number) => Json): Json =>
      Object.fromEntries(Array.from({ length }, (_, i) => [`S${i}`, i + 1 < length ? next(i + 1) : {}]))
    for (const next of [
      (i: number) => ref('schemas', `S${i}`),
      (i: number) => ({ properties: { next: ref('schemas', `S${i}`) } }),
    ]) {
      const schemas = chain(next)
      const made = complete(answering(ref('schemas', 'S0')), { schemas: { ...schemas, Other: {} } })
      expect(made.components).toEqual({ schemas })
    }
  })

  it('may have any name', () => {
    const schemas = JSON.parse('{"__proto__":{"type":"string"},"toString":{"type":"null"}}') as Json
    const anyOf = [ref('schemas', '__proto__'), ref('schemas', 'toString'), ref('schemas', 'valueOf')]
    const made = complete(answering({ anyOf }), { schemas })
    expect(JSON.stringify(made.components)).toBe(JSON.stringify({ schemas }))
  })
})

describe('a reference that leads to nothing listed', () => {
  it.each([
    'other.yaml#/covert',
    'http://10.9.8.7/covert.json',
    '#/paths/~1covert/get/responses/200',
    '#%2Fpaths%2Fcovert',
    '#/components/pathItems/covert',
    '#/components/callbacks/covert',
    '#/components/schemas/covert',
    '#/webhooks/covert',
    `#/components/schemas/covert${'/'.repeat(10_000)}`,
  ])('is left out with what cannot be without it: %.40s', ($ref) => {
    const there = { pathItems: { covert: { get: {} } }, callbacks: { covert: {} } }
    const made = complete(
      {
        parameters: [{ $ref }, { name: 'day', in: 'query', schema: { $ref } }],
        requestBody: { $ref },
        responses: {
          200: {
            description: 'Fine.',
            headers: { A: { $ref } },
            content: {
              'a/b': { schema: { $ref, type: 'object', properties: { $ref } }, examples: { one: { $ref } } },
            },
          },
          404: { $ref },
          500: ref('responses', 'R'),
        },
      },
      { ...there, responses: { R: { $ref } } },
    )
    expect(made).toEqual({
      operation: {
        operationId: 'now',
        parameters: [{ name: 'day', in: 'query', schema: {} }],
        responses: {
          200: {
            description: 'Fine.',
            headers: {},
            content: { 'a/b': { schema: { type: 'object', properties: {} }, examples: {} } },
          },
          404: { description: 'Not described here.' },
          500: { description: 'Not described here.' },
        },
      },
      components: {},
    })
  })

  it('is no part of what a discriminator maps to', () => {
    const mapping = { a: 'A', b: '#/components/schemas/B', covert: 'covert.yaml#/C', d: '#/paths/~1covert' }
    const made = complete(answering({ discriminator: { propertyName: 'kind', mapping } }), {
      schemas: { A: {}, B: {}, C: {} },
    })
    expect(made.components).toEqual({ schemas: { A: {}, B: {} } })
    expect(made.operation).toEqual({
      operationId: 'now',
      ...answering({ discriminator: { propertyName: 'kind', mapping: { a: 'A', b: mapping.b } } }),
    })
  })

  it('is one within a schema where it names an anchor or a definition', () => {
    const operation = answering({
      $defs: { a: { $anchor: 'b' } },
      anyOf: [{ $ref: '#/$defs/a' }, { $ref: '#b' }],
    })
    expect(complete(operation, {}).operation).toMatchObject(operation)
  })
})

it('properties may have the names that documents have for other things', () => {
  const links = { type: 'object', properties: { self: { type: 'string' } } }
  const operation = answering({
    properties: {
      responses: { properties: { links } },
      requestBody: { properties: { headers: { type: 'object' }, mapping: { enum: ['a/b'] } } },
      mapping: { example: { a: 'b/c' } },
    },
  })
  expect(complete(operation, {}).operation).toMatchObject(operation)
})

it('a link leads where all that it says is listed, also where it stands in a component', () => {
  const links = {
    both: { operationId: 'now', operationRef: '#/paths/~1now/delete' },
    method: { operationRef: '#/paths/~1now/delete' },
    path: { operationRef: '#/paths/~1covert/get' },
    far: { operationRef: 'http://10.9.8.7/#/paths/~1now/get' },
    good: { operationRef: '#/paths/~1now/get' },
  }
  const made = complete(
    { responses: { 200: ref('responses', 'R'), 400: ref('links', 'covert') } },
    { responses: { R: { description: 'x', links } }, links: { covert: { operationId: 'covert' } } },
  )
  expect(made.components).toEqual({ responses: { R: { description: 'x', links: { good: links.good } } } })
  expect(JSON.stringify(made.operation)).not.toContain('covert')
})
