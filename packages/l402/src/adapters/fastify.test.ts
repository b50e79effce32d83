import { Readable } from 'node:stream'
import fastify, { type FastifyRequest } from 'fastify'
import type { Mount } from '../../test/matrix.ts'
import { describeAdapter } from './adapters.test-suite.ts'
import { l402 } from './fastify.ts'

const mount: Mount = async (options, routes) => {
  const toll = l402(options)
  const app = fastify({ forceCloseConnections: true, routerOptions: { caseSensitive: false } })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  for (const route of routes)
    app.route({
      method: route.method === 'ALL' ? ['GET', 'POST', 'OPTIONS'] : route.method,
      url: route.path,
      onRequest: toll(route.offer),
      handler: async (request: FastifyRequest, reply) => {
        const call = {
          access: request.l402 ?? null,
          text: () => Promise.resolve(typeof request.body === 'string' ? request.body : ''),
        }
        const { status = 200, headers = {}, body } = await route.handle(call)
        reply.code(status).headers(headers)
        return reply.send(typeof body === 'string' ? body : Readable.from(body))
      },
    })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: Number(new URL(url).port), close: () => app.close() }
}

describeAdapter('Fastify', mount)
