import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import express, { type Express } from 'express'
// @ts-expect-error: the types are those of Express 5
import express4 from 'express4'
import { listen, type Mount } from '../../test/matrix.ts'
import { serveNode } from '../../test/matrix-answers.ts'
import { describeAdapter } from './adapters.test-suite.ts'
import { l402 } from './express.ts'

function mountOn(make: () => Express): Mount {
  return (options, routes) => {
    const toll = l402(options)
    const app = make()
    // Its error handler prints errors otherwise.
    app.set('env', 'test')
    for (const route of routes) {
      const method = ({ GET: 'get', POST: 'post', ALL: 'all' } as const)[route.method]
      app[method](route.path, toll(route.offer), (req, res, next) => {
        // Express 4 does not wait for a promise.
        Promise.resolve({ access: req.l402 ?? null, text: () => text(req) })
          .then((call) => route.handle(call))
          .then((served) => serveNode(res, served))
          .catch(next)
      })
    }
    return listen(createServer(app))
  }
}

describeAdapter('Express 5', mountOn(express))
describeAdapter('Express 4', mountOn(express4 as typeof express))
