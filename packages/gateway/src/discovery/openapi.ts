/** `/openapi.json`: OpenAPI 3.1 with `x-payment-info` (the MPP discovery draft) and `x-l402`. */

import type { ListedRoute, ListedService } from './listing.ts'
import { type OwnDocument, type OwnOperations, operationsOf, ownOperations } from './own-operations.ts'
import { isTable, tagsFor } from './own-parts.ts'
import { METHODS } from './path-item.ts'
import type { Titles } from './titles.ts'

type Json = Record<string, unknown>

/** What the document is made of. */
export interface OpenApiParts {
  readonly services: readonly ListedService[]
  readonly titles: Titles
  readonly own: OwnDocument | undefined
}

/**
 * The document; addresses in it are relative to where it is asked for. `payment`: whether challenges hold the Payment scheme for
 * a client that asks there.
 */
export function openApiDocument(
  { services, titles, own }: OpenApiParts,
  { payment }: { readonly payment: boolean },
): Json {
  const { document = {} } = own ?? {}
  const operations = own === undefined ? undefined : ownOperations(own)
  const paths = operations === undefined ? {} : pathsWithTerms(operations, payment)
  const components = operations?.components ?? {}
  for (const route of services.flatMap((service) => service.routes)) addRoute(paths, route, payment)
  const tags = tagsFor(document['tags'], paths)
  const conditions = Object.fromEntries(services.map((service) => [service.name, service.conditions]))
  return {
    openapi: versionOf(document),
    info: infoOf(own?.document, titles),
    ...(tags.length === 0 ? {} : { tags }),
    servers: [{ url: '/' }],
    paths,
    components: {
      ...components,
      securitySchemes: { ...(components['securitySchemes'] as Json | undefined), ...schemes(payment) },
      responses: { ...(components['responses'] as Json | undefined), PaymentRequired: PAYMENT_REQUIRED },
    },
    'x-l402': { conditions, balance: '/.well-known/l402/balance' },
  }
}

/** Schemas of 3.0 are another language than those of 3.1; what is added here is the same in both. */
function versionOf({ openapi }: Json): string {
  return typeof openapi === 'string' && /^3\.0\.\d+$/.test(openapi) ? openapi : '3.1.0'
}

function infoOf(document: Json | undefined, { title, description }: Titles): Json {
  const info = isTable(document?.['info']) ? document['info'] : {}
  return {
    version: '1',
    ...info,
    title: title ?? info['title'] ?? 'Paid API',
    ...(description === undefined ? {} : { description }),
  }
}

function pathsWithTerms({ paths, routes }: OwnOperations, payment: boolean): Record<string, Json> {
  const sold = Object.entries(paths).map(([path, item]) => {
    const operations = operationsOf(item).map(([method, operation]) => {
      const route = routes.get(`${method} ${path}`)
      return [method, route === undefined ? operation : withTerms(operation, route, payment)] as const
    })
    return [path, { ...item, ...Object.fromEntries(operations) }] as const
  })
  return Object.fromEntries(sold)
}

function isMethod(key: string): boolean {
  return (METHODS as readonly string[]).includes(key)
}

/** Adds what no operation stands for yet. */
function addRoute(paths: Record<string, Json>, route: ListedRoute, payment: boolean): void {
  if (route.path === null) return
  const { template, parameters } = templateOf(route.path)
  // What takes any method is told once: the list would say no more.
  const methods = route.methods.length === 0 ? ['GET'] : route.methods
  for (const method of methods) {
    const key = method.toLowerCase()
    if (!isMethod(key)) continue
    const item = paths[template] ?? {}
    paths[template] = item
    // Routes match in the order written: what came first is what a request gets.
    if (key in item) continue
    const operation = {
      summary: route.memo ?? `${route.service}: ${route.match}`,
      tags: [route.service],
      ...(parameters.length === 0 ? {} : { parameters }),
      responses: { '200': { description: 'The resource.' } },
    }
    item[key] = withTerms(operation, route, payment)
  }
}

/** A path pattern in the form of OpenAPI. The rest of a path is one parameter, which may hold slashes. */
function templateOf(path: string): { readonly template: string; readonly parameters: readonly Json[] } {
  const parameters: Json[] = []
  const segments = path.split('/')
  const template = segments
    .map((segment, i) => {
      if (segment !== '*') return segment.replaceAll(/[{}]/g, encodeURIComponent)
      const rest = i === segments.length - 1
      const name = rest ? 'rest' : `segment${parameters.length + 1}`
      parameters.push({
        name,
        in: 'path',
        required: true,
        schema: { type: 'string' },
        ...(rest ? { description: 'The rest of the path; may hold slashes.' } : {}),
      })
      return `{${name}}`
    })
    .join('/')
  return { template, parameters }
}

function withTerms(operation: Json, route: ListedRoute, isOffered: boolean): Json {
  if (route.free) return { ...operation }
  const payment = isOffered && route.payable
  const { service, match, priceMsat, grants, reuse, methods, sessionSats } = route
  const { calls, validSeconds, creditMsat } = grants
  const responses = isTable(operation['responses']) ? operation['responses'] : {}
  return {
    ...operation,
    responses: { ...responses, '402': { $ref: '#/components/responses/PaymentRequired' } },
    security: [{ L402: [] }, ...(payment ? [{ Payment: [] }] : [])],
    // The draft knows whole satoshis, and `null` for a price that is told in the challenge.
    ...(payment
      ? {
          'x-payment-info': {
            offers: [
              offer('charge', priceMsat === null ? null : priceMsat / 1000n, `${service}: ${match}`),
              ...(sessionSats === undefined
                ? []
                : [offer('session', sessionSats, `${service}: ${match}, each request of a session`)]),
            ],
          },
        }
      : {}),
    'x-l402': {
      service,
      match,
      ...(methods.length === 0 ? { methods: 'any' } : {}),
      priceMsat: priceMsat === null ? null : Number(priceMsat),
      reuse,
      grants: {
        ...(calls === undefined ? {} : { calls }),
        ...(validSeconds === undefined ? {} : { validSeconds }),
        ...(creditMsat === undefined ? {} : { creditMsat: Number(creditMsat) }),
      },
    },
  }
}

function offer(intent: 'charge' | 'session', amountSats: bigint | null, description: string): Json {
  const amount = amountSats === null ? null : String(amountSats)
  return { intent, method: 'lightning', amount, currency: 'sat', description }
}

function schemes(payment: boolean): Json {
  const l402 = {
    type: 'http',
    scheme: 'L402',
    description: 'Pay the invoice of the 402, then send "L402 <macaroon>:<preimage>".',
  }
  const other = {
    type: 'http',
    scheme: 'Payment',
    description: 'The Payment scheme, lightning method; offered to requests with Accept-Payment.',
  }
  return payment ? { L402: l402, Payment: other } : { L402: l402 }
}

const PAYMENT_REQUIRED = {
  description: 'Payment required: a macaroon and a Lightning invoice.',
  headers: {
    'WWW-Authenticate': {
      description: 'L402 macaroon="…", invoice="…", version="0", token="…"',
      schema: { type: 'string' },
    },
  },
  content: { 'application/problem+json': { schema: { type: 'object' } } },
}
