import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { listen, type Mount } from '../../test/matrix.ts'
import { servedResponse } from '../../test/matrix-answers.ts'
import { describeAdapter } from './adapters.test-suite.ts'
import { l402 } from './hono.ts'

const mount: Mount = (options, routes) => {
  const toll = l402(options)
  const app = new Hono()
  for (const route of routes)
    app.on(
      route.method === 'ALL' ? ['GET', 'POST', 'OPTIONS'] : [route.method],
      [route.path],
      toll(route.offer),
      async (c) => servedResponse(await route.handle({ access: c.get('l402'), text: () => c.req.text() })),
    )
  app.onError((_error, c) => c.text('failed', 500))
  return listen(createAdaptorServer({ fetch: app.fetch }) as Server)
}

describeAdapter('Hono', mount, { countsBodies: false })
