import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import express, { type Express } from 'express'
// @ts-expect-error: the types are those of Express 5
import express4 from 'express4'
import { expect, it } from 'vitest'
import { listen, type Mount, openBench } from '../../test/matrix.ts'
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

it.each([
  { version: 5, make: express },
  { version: 4, make: express4 as typeof express },
])(
  'gives the use back of a handler that fails after its first byte, in Express $version',
  async ({ make }) => {
    let fails = true
    const bench = await openBench((options) => {
      const app = make().set('env', 'test')
      app.all('/late', l402(options)({ name: '/late', price: '1 sat' }), (req, res, next) => {
        req.resume().once('end', () => {
          if (fails) res.write('part', () => next(new Error('the handler’s own')))
          else res.end('whole')
        })
      })
      return listen(createServer(app))
    })
    const headers = ['Authorization', await bench.buy('GET', '/late')]
    for (const body of [undefined, 'x', undefined]) {
      const asked = bench.send(body === undefined ? 'GET' : 'POST', '/late', {
        headers,
        ...(body && { body }),
      })
      await expect(asked).rejects.toThrow()
    }
    fails = false
    await expect.poll(async () => (await bench.send('GET', '/late', { headers })).status).toBe(200)
    expect((await bench.send('GET', '/late', { headers })).status).toBe(402)
    await bench.close()
  },
)
