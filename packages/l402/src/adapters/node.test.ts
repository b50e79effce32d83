import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createH2Server } from 'node:http2'
import { text } from 'node:stream/consumers'
import { listen, type Mount } from '../../test/matrix.ts'
import { findRoute, serveNode } from '../../test/matrix-answers.ts'
import { listenBehindFront } from '../../test/support/h2-front.ts'
import { describeAdapter } from './adapters.test-suite.ts'
import { l402 } from './node.ts'

type Listener = (req: IncomingMessage, res: ServerResponse) => void

function listener([options, routes]: Parameters<Mount>): Listener {
  const toll = l402(options)
  const handlers = new Map(
    routes.map((route) => [
      route,
      toll(route.offer, async (req, res, access) => {
        await serveNode(res, await route.handle({ access, text: () => text(req) }))
      }),
    ]),
  )
  return (req, res) => {
    const route = findRoute(routes, req.method ?? '', req.url ?? '')
    const handler = route === undefined ? undefined : handlers.get(route)
    if (handler === undefined) return void res.writeHead(404).end()
    handler(req, res).catch(() => (res.headersSent ? res.destroy() : res.writeHead(500).end()))
  }
}

describeAdapter('node:http', (...mounted) => listen(createServer(listener(mounted))))
describeAdapter('the compatible half of node:http2', (...mounted) =>
  listenBehindFront(createH2Server(listener(mounted) as never)),
)
