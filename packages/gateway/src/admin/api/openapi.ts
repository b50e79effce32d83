/** The OpenAPI 3.1 document of the admin API, made of its operations. */

import { z } from 'zod'
import { programVersion } from '../../cli/version.ts'
import type { Operation } from './operation.ts'
import { problemSchema } from './schemas.ts'

type Json = Record<string, unknown>

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}

/** The document. Problems stand in it once, as the default answer. */
export function openApi(operations: readonly Operation[]): Json {
  const paths: Record<string, Json> = {}
  for (const operation of operations) {
    const path = `/api/v1${operation.path}`
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: describeOperation(operation) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Turnpike admin API',
      version: programVersion(),
      description:
        'Of the second listener of a gateway. Amounts are whole millisatoshi, times RFC 3339 in UTC.',
    },
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token of admin.tokenFile.' },
      },
      schemas: { Problem: jsonSchema(problemSchema, 'output') },
    },
    security: [{ token: [] }],
  }
}

function describeOperation(operation: Operation): Json {
  const { id, summary, scope, query, body, described, headers = [], answers } = operation
  const parameters: Json[] = Object.entries(operation.params ?? {}).map(([name, { pattern, expected }]) => ({
    name,
    in: 'path',
    required: true,
    description: expected,
    schema: { type: 'string', pattern: pattern.source },
  }))
  if (query !== undefined) {
    const { properties = {} } = jsonSchema(query, 'input') as { properties?: Record<string, Json> }
    for (const [name, schema] of Object.entries(properties))
      parameters.push({ name, in: 'query', required: false, schema })
  }
  for (const name of headers)
    parameters.push({ name, in: 'header', required: false, schema: { type: 'string' } })
  const wanted = described ?? body
  return {
    operationId: id,
    summary,
    description: `Needs a token of scope ${scope}.`,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(wanted === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: jsonSchema(wanted, 'input') } },
          },
        }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, describeAnswer(answer)]),
      ),
      default: {
        description: 'A problem (RFC 9457).',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function describeAnswer(answer: Operation['answers'][number]): Json {
  if (answer === null || answer === undefined) return { description: 'Done.' }
  if (answer === 'stream')
    return {
      description: 'Server-sent events.',
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    }
  return { description: 'Done.', content: { 'application/json': { schema: jsonSchema(answer, 'output') } } }
}
