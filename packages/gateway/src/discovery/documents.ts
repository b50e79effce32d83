/** The documents in which machines find what is sold: by their paths, for one set of hosts. */

import type { ListedRoute, ListedService } from './listing.ts'
import { type OpenApiParts, openApiDocument } from './openapi.ts'

/** A document. */
interface Document {
  readonly type: string
  readonly text: string
  /** The value of a `Link` line beside it. */
  readonly link?: string
}

/** Finds a document by its path. `base` is the origin that the client asked. */
export type Documents = (path: string, base: string) => Document | undefined

/** What they are made of. */
interface DocumentParts extends OpenApiParts {
  /** Whether challenges hold the Payment scheme for a client that asks this origin. */
  readonly payment: (base: string) => boolean
}

/** Where they stand. */
const OPENAPI_PATH = '/openapi.json'
const SERVICES_PATH = '/.well-known/l402-services'
const CATALOG_PATH = '/.well-known/api-catalog'
const LLMS_PATH = '/llms.txt'

/** All of their paths. */
export const DOCUMENT_PATHS: ReadonlySet<string> = new Set([
  OPENAPI_PATH,
  SERVICES_PATH,
  CATALOG_PATH,
  LLMS_PATH,
])

/**
 * Makes them. Those that hold no address are made here, once for all origins that are offered the same: no request waits for
 * what an upstream's document takes.
 */
export function createDocuments({ payment: isOffered, ...parts }: DocumentParts): Documents {
  const [withPayment, without] = [true, false].map((payment) =>
    json('application/json', openApiDocument(parts, { payment })),
  )
  return (path, base) => {
    switch (path) {
      case OPENAPI_PATH:
        return isOffered(base) ? withPayment : without
      case SERVICES_PATH:
        return json('application/json', { services: endpoints(parts.services, base) })
      case CATALOG_PATH:
        return {
          ...json(
            'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"',
            catalog(parts.services, base),
          ),
          // For those who ask with HEAD alone (RFC 9727 §2).
          link: `<${CATALOG_PATH}>; rel="api-catalog"`,
        }
      case LLMS_PATH:
        return { type: 'text/markdown; charset=utf-8', text: llmsText(parts) }
      default:
        return undefined
    }
  }
}

function json(type: string, value: unknown): Document {
  return { type, text: `${JSON.stringify(value)}\n` }
}

/** In the shape that 402index reads. */
function endpoints(services: readonly ListedService[], base: string): readonly unknown[] {
  return services.flatMap((service) =>
    service.routes
      .filter((route) => !route.free && route.path !== null)
      .flatMap((route) =>
        (route.methods.length === 0 ? ['GET'] : route.methods).map((method) => ({
          endpoint: base + route.path,
          method,
          service: route.service,
          description: route.memo ?? service.description ?? `${route.service}: ${route.match}`,
          protocol: 'L402',
          price_sats: route.priceMsat === null ? null : Number((route.priceMsat + 999n) / 1000n),
          price_msat: route.priceMsat === null ? null : Number(route.priceMsat),
          reuse: route.reuse,
          conditions: service.conditions,
        })),
      ),
  )
}

/** RFC 9727: a link set (RFC 9264) of this origin's API. */
function catalog(services: readonly ListedService[], base: string): unknown {
  return {
    linkset: [
      {
        anchor: `${base}/`,
        'service-desc': [{ href: base + OPENAPI_PATH, type: 'application/json' }],
        'service-doc': [{ href: base + LLMS_PATH, type: 'text/markdown' }],
        'service-meta': [{ href: base + SERVICES_PATH, type: 'application/json' }],
        item: services.map(({ name }) => ({ href: `${base}/`, title: name })),
      },
    ],
  }
}

function llmsText({ services, titles }: OpenApiParts): string {
  const lines = [`# ${plain(titles.title ?? 'Paid API')}`, '']
  if (titles.description !== undefined) lines.push(`> ${plain(titles.description)}`, '')
  lines.push(
    'Requests are paid over Lightning (L402): an unpaid one is answered 402 with a macaroon and an invoice. Pay the invoice, and send the',
    'request again with `Authorization: L402 <macaroon>:<preimage>`. One payment may buy several requests: keep the credential.',
    '',
  )
  for (const { name, description, routes } of services) {
    lines.push(`## ${plain(name)}`, '')
    if (description !== undefined) lines.push(plain(description), '')
    for (const route of routes) lines.push(`- \`${route.match}\`: ${termsText(route)}`)
    lines.push('')
  }
  lines.push('## More', '')
  lines.push(
    `- [OpenAPI](${OPENAPI_PATH}): every operation with its price in \`x-l402\``,
    `- [Services](${SERVICES_PATH}): the same as a list`,
    '- [Balance](/.well-known/l402/balance): what a credential has left',
    '',
  )
  return lines.join('\n')
}

function termsText({ free, priceMsat, grants, memo }: ListedRoute): string {
  if (free) return 'free'
  const price = priceMsat === null ? 'a price for each request' : `${Number(priceMsat) / 1000} sat`
  const { calls, validSeconds, creditMsat } = grants
  const parts = [
    ...(calls === undefined ? [] : [calls === 1 ? 'one request' : `${calls} requests`]),
    ...(validSeconds === undefined ? [] : [`${validSeconds} seconds`]),
    ...(creditMsat === undefined ? [] : [`${Number(creditMsat) / 1000} sat of credit`]),
  ]
  return `${price} for ${parts.join(' within ')}${memo === undefined ? '' : ` (${plain(memo)})`}`
}

/** One line of text that Markdown reads as text. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_[\]<>#|]/g, '\\$&')
}
