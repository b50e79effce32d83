import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import type { MatrixRoute } from '../../test/matrix.ts'
import { listen, type Mount, type Running } from '../../test/matrix.ts'
import { findRoute, servedResponse } from '../../test/matrix-answers.ts'
import { describeAdapter } from './adapters.test-suite.ts'
import { l402 } from './fetch.ts'
import { l402 as nextL402 } from './next.ts'

type Handler = (request: Request) => Promise<Response>

function serve(routes: readonly MatrixRoute[], handlerOf: (route: MatrixRoute) => Handler): Promise<Running> {
  const handlers = new Map(routes.map((route) => [route, handlerOf(route)]))
  const fetch = async (request: Request): Promise<Response> => {
    const route = findRoute(routes, request.method, request.url)
    const handler = route === undefined ? undefined : handlers.get(route)
    if (handler === undefined) return new Response('none', { status: 404 })
    return handler(request).catch(() => new Response('failed', { status: 500 }))
  }
  return listen(createAdaptorServer({ fetch }) as Server)
}

const mountFetch: Mount = (options, routes) => {
  const toll = l402(options)
  return serve(routes, ({ offer, handle }) =>
    toll(offer, async (request, access) =>
      servedResponse(await handle({ access, text: () => request.text() })),
    ),
  )
}

const mountNext: Mount = (options, routes) => {
  const toll = nextL402(options)
  return serve(routes, ({ offer, handle }) => {
    const handler = toll(
      offer,
      async (request: Request, { l402: access, params }: { l402: L402; params: Promise<object> }) => {
        await params
        return servedResponse(await handle({ access, text: () => request.text() }))
      },
    )
    return (request) => handler(request, { params: Promise.resolve({}) })
  })
}
type L402 = import('./next.ts').L402Access | null

describeAdapter('fetch handlers', mountFetch, { countsBodies: false })
describeAdapter('Next’s route handlers', mountNext, { countsBodies: false })
