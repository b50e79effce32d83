import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { listen, type Mount } from '../../test/matrix.ts'
import { findRoute, serveNode } from '../../test/matrix-answers.ts'
import { describeAdapter } from './adapters.test-suite.ts'
import { l402 } from './node.ts'

const mount: Mount = (options, routes) => {
  const toll = l402(options)
  const handlers = new Map(
    routes.map((route) => [
      route,
      toll(route.offer, async (req, res, access) => {
        await serveNode(res, await route.handle({ access, text: () => text(req) }))
      }),
    ]),
  )
  const server = createServer((req, res) => {
    const route = findRoute(routes, req.method ?? '', req.url ?? '')
    const handler = route === undefined ? undefined : handlers.get(route)
    if (handler === undefined) return res.writeHead(404).end()
    handler(req, res).catch(() => (res.headersSent ? res.destroy() : res.writeHead(500).end()))
    return undefined
  })
  return listen(server)
}

describeAdapter('node:http', mount)
