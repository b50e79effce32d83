/** Services, routes and prices. Every change is one new routing table; requests under way keep theirs. */

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { routeSchema, serviceSchema } from '../../config/schema.ts'
import type { Control, ServiceDocument } from '../control.ts'
import {
  type ApiAnswer,
  type ApiCall,
  type ApiProblem,
  type Operation,
  operation,
  problem,
} from './operation.ts'

const nameParam = { pattern: /^[a-z0-9][a-z0-9_-]{0,63}$/, expected: 'the name of a service' } as const
const indexParam = { pattern: /^(?:0|[1-9][0-9]{0,3})$/, expected: 'the place of a route, from 0' } as const

const document = z.record(z.string(), z.unknown(), {
  error: () => 'a table such as { "upstream": "http://…", "routes": […] }',
})
const shownService = z.strictObject({ name: z.string(), version: z.string(), service: document })
const shownRoute = z.strictObject({ index: z.int(), route: document })
const shownPrice = z.strictObject({
  service: z.string(),
  index: z.int(),
  match: z.string(),
  free: z.boolean(),
  price: z.unknown().describe('As it is written; null on a free route.'),
})

/** The operations on what is sold. */
export const serviceOperations: readonly Operation[] = [
  operation({
    id: 'listServices',
    method: 'GET',
    path: '/services',
    scope: 'read',
    summary: 'All services as they are written.',
    answers: { 200: z.strictObject({ items: z.array(shownService) }) },
    handle: (call) =>
      withControl(call, (control) => {
        const items = [...control.services()].map(([name, service]) => shown(call, name, service))
        return { status: 200, body: { items } }
      }),
  }),
  operation({
    id: 'showService',
    method: 'GET',
    path: '/services/{name}',
    scope: 'read',
    summary: 'One service; its version is the ETag.',
    params: { name: nameParam },
    answers: { 200: shownService },
    handle: (call) =>
      withControl(call, (control) => {
        const name = nameOf(call)
        const service = control.services().get(name)
        return service === undefined ? noService(name) : answered(200, call, { name, service })
      }),
  }),
  operation({
    id: 'putService',
    method: 'PUT',
    path: '/services/{name}',
    scope: 'write',
    summary: 'Makes a service, or puts another in its place (If-Match).',
    params: { name: nameParam },
    headers: ['If-Match', 'If-None-Match'],
    body: document,
    described: serviceSchema,
    answers: { 200: shownService, 201: shownService },
    subject: nameOf,
    handle: (call) =>
      change(call, (current) => ({ document: call.body, status: current === undefined ? 201 : 200 })),
  }),
  operation({
    id: 'deleteService',
    method: 'DELETE',
    path: '/services/{name}',
    scope: 'write',
    summary: 'Takes a service away (If-Match).',
    params: { name: nameParam },
    headers: ['If-Match'],
    answers: { 204: null },
    subject: nameOf,
    handle: (call) =>
      change(call, (current) =>
        current === undefined ? { problem: noService(nameOf(call)) } : { document: null, status: 204 },
      ),
  }),
  operation({
    id: 'listRoutes',
    method: 'GET',
    path: '/services/{name}/routes',
    scope: 'read',
    summary: 'The routes of a service in the order in which they match; the ETag is the service’s.',
    params: { name: nameParam },
    answers: { 200: z.strictObject({ items: z.array(shownRoute) }) },
    handle: (call) =>
      withControl(call, (control) => {
        const service = control.services().get(nameOf(call))
        if (service === undefined) return noService(nameOf(call))
        const items = routesOf(seen(call, service)).map((route, index) => ({ index, route }))
        return { status: 200, body: { items }, headers: { ETag: versionOf(service) } }
      }),
  }),
  operation({
    id: 'addRoute',
    method: 'POST',
    path: '/services/{name}/routes',
    scope: 'write',
    summary: 'Adds a route, at its end or before another (If-Match of the service).',
    params: { name: nameParam },
    query: z.strictObject({
      before: z
        .string()
        .regex(indexParam.pattern, { error: () => indexParam.expected })
        .optional()
        .describe('The place that it takes; left out: the end.'),
    }),
    headers: ['If-Match'],
    body: document,
    described: routeSchema,
    answers: { 200: shownService },
    subject: nameOf,
    handle: (call) =>
      changeRoutes(call, (routes) => {
        const at = Math.min(routes.length, Number(call.query.before ?? routes.length))
        return [...routes.slice(0, at), call.body, ...routes.slice(at)]
      }),
  }),
  operation({
    id: 'putRoute',
    method: 'PUT',
    path: '/services/{name}/routes/{index}',
    scope: 'write',
    summary: 'Puts another route in the place of one (If-Match of the service).',
    params: { name: nameParam, index: indexParam },
    headers: ['If-Match'],
    body: document,
    described: routeSchema,
    answers: { 200: shownService },
    subject: routeName,
    handle: (call) => changeRoutes(call, (routes, at) => routes.with(at, call.body)),
  }),
  operation({
    id: 'deleteRoute',
    method: 'DELETE',
    path: '/services/{name}/routes/{index}',
    scope: 'write',
    summary: 'Takes a route away (If-Match of the service).',
    params: { name: nameParam, index: indexParam },
    headers: ['If-Match'],
    answers: { 200: shownService },
    subject: routeName,
    handle: (call) => changeRoutes(call, (routes, at) => routes.toSpliced(at, 1)),
  }),
  operation({
    id: 'putPrice',
    method: 'PUT',
    path: '/services/{name}/routes/{index}/price',
    scope: 'write',
    summary: 'Sets the price of a route (If-Match of the service).',
    params: { name: nameParam, index: indexParam },
    headers: ['If-Match'],
    body: z.strictObject({ price: z.unknown() }),
    described: z.strictObject({ price: routeSchema.shape.price }),
    answers: { 200: shownService },
    subject: routeName,
    handle: (call) =>
      changeRoutes(call, (routes, at) =>
        routes.with(at, { ...(routes[at] as object), price: call.body.price }),
      ),
  }),
  operation({
    id: 'listPrices',
    method: 'GET',
    path: '/prices',
    scope: 'read',
    summary: 'What every route costs, as it is written.',
    answers: { 200: z.strictObject({ items: z.array(shownPrice) }) },
    handle: (call) =>
      withControl(call, (control) => {
        const items = [...control.services()].flatMap(([service, found]) =>
          routesOf(found).map(({ match, free, price }, index) => ({
            service,
            index,
            match: String(match),
            free: free === true,
            price: price ?? null,
          })),
        )
        return { status: 200, body: { items } }
      }),
  }),
]

type Found =
  | { readonly document: ServiceDocument | null; readonly status: number }
  | { readonly problem: ApiProblem }

/** The version of a service: another one for everything else that it says. */
function versionOf(service: ServiceDocument): string {
  return `"${createHash('sha256').update(JSON.stringify(service)).digest('hex').slice(0, 32)}"`
}

function nameOf({ params }: Pick<ApiCall, 'params'>): string {
  return params['name'] ?? ''
}

function routeName({ params }: Pick<ApiCall, 'params'>): string {
  return `${params['name']}/routes/${params['index']}`
}

function noService(name: string): ApiProblem {
  return problem(404, 'unknown_service', `there is no service "${name}"`)
}

function withControl(call: ApiCall, work: (control: Control) => ApiAnswer): ApiAnswer {
  const { control } = call.target
  return control === undefined ? unchangeable() : work(control)
}

function unchangeable(): ApiProblem {
  return problem(503, 'not_available', 'this gateway was started in a way that does not let it be changed')
}

function answered(
  status: number,
  call: ApiCall,
  { name, service }: { name: string; service: ServiceDocument },
): ApiAnswer {
  return { status, body: shown(call, name, service), headers: { ETag: versionOf(service) } }
}

function shown(call: ApiCall, name: string, service: ServiceDocument): z.infer<typeof shownService> {
  return { name, version: versionOf(service), service: seen(call, service) }
}

/** Who may only look sees no values that are set in headers: an operator may have written a key there. */
function seen({ who }: Pick<ApiCall, 'who'>, service: ServiceDocument): ServiceDocument {
  if (who.scope === 'write') return service
  return JSON.parse(JSON.stringify(service), (key, value: unknown) =>
    key === 'set' && typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.keys(value).map((name) => [name, '(hidden)']))
      : value,
  ) as ServiceDocument
}

function routesOf(service: ServiceDocument): readonly ServiceDocument[] {
  const { routes } = service
  return Array.isArray(routes) ? (routes as readonly ServiceDocument[]) : []
}

/** Changes a service if it is the version that the caller knows (RFC 9110 §13.1). */
async function change(
  call: ApiCall,
  edit: (current: ServiceDocument | undefined) => Found,
): Promise<ApiAnswer> {
  const { control } = call.target
  if (control === undefined) return unchangeable()
  const name = nameOf(call)
  let status = 200
  const outcome = await control.changeService<ApiProblem>(name, (current) => {
    const refusal = preconditionFault(call, current)
    if (refusal !== undefined) return { refusal }
    const found = edit(current)
    if ('problem' in found) return { refusal: found.problem }
    status = found.status
    return { document: found.document }
  })
  if ('refusal' in outcome) return outcome.refusal
  call.target.events.emit({ kind: 'configuration', atMs: Date.now(), by: call.who.name })
  return outcome.document === null ? { status } : answered(status, call, { name, service: outcome.document })
}

function changeRoutes(
  call: ApiCall,
  edit: (routes: readonly ServiceDocument[], at: number) => readonly unknown[],
): Promise<ApiAnswer> {
  return change(call, (current) => {
    if (current === undefined) return { problem: noService(nameOf(call)) }
    const routes = routesOf(current)
    const { index } = call.params
    if (index !== undefined && Number(index) >= routes.length)
      return { problem: problem(404, 'unknown_route', `the service has ${routes.length} routes, from 0`) }
    return { document: { ...current, routes: edit(routes, Number(index ?? 0)) }, status: 200 }
  })
}

function preconditionFault(
  { ifMatch, ifNoneMatch }: ApiCall,
  current: ServiceDocument | undefined,
): ApiProblem | undefined {
  const version = current === undefined ? undefined : versionOf(current)
  const names = (list: string): boolean =>
    version !== undefined && (list.trim() === '*' || list.split(',').some((each) => each.trim() === version))
  if (ifNoneMatch !== undefined && names(ifNoneMatch))
    return problem(412, 'precondition_failed', 'the service is there already')
  if (ifMatch !== undefined && !names(ifMatch))
    return problem(412, 'precondition_failed', 'somebody else has changed the service: read it again', {
      ...(version === undefined ? {} : { headers: { ETag: version } }),
    })
  if (version !== undefined && ifMatch === undefined)
    return problem(
      428,
      'precondition_required',
      'expected an If-Match line with the version that is to be changed',
    )
  return undefined
}
