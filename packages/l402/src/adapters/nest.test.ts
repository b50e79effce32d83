import { text } from 'node:stream/consumers'
import { All, Get, Post, Req, Res, UseGuards } from '@nestjs/common'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, type Mount, openBench } from '../../test/matrix.ts'
import { serveNode } from '../../test/matrix-answers.ts'
import { addHandler, listenNest } from '../../test/support/nest-app.ts'
import { memoryLightning } from '../lightning/memory.ts'
import { memoryStore } from '../stores/memory/index.ts'
import { describeAdapter } from './adapters.test-suite.ts'
import type { ExpressRequest } from './express.ts'
import { l402, type NestContext } from './nest.ts'
import { sendUnstated } from './request-bytes.test-suite.ts'

type Answering = Parameters<typeof serveNode>[0]
type Parsed = ExpressRequest & { readonly body?: unknown }

const mount: Mount = (options, routes) => {
  const toll = l402(options)
  class Shop {}
  for (const [i, route] of routes.entries()) {
    const value = async (req: Parsed, res: Answering): Promise<void> => {
      const body = async (): Promise<string> =>
        req.body === undefined ? text(req) : JSON.stringify(req.body)
      await serveNode(res, await route.handle({ access: req.l402 ?? null, text: body }))
    }
    const takes: MethodDecorator = (shop, name) => {
      Req()(shop, name, 0)
      Res()(shop, name, 1)
    }
    const on = { GET: Get, POST: Post, ALL: All }[route.method]
    addHandler(Shop, `handler${i}`, {
      value,
      decorators: [takes, on(route.path), UseGuards(toll(route.offer))],
    })
  }
  return listenNest(Shop, { rawBody: true })
}

describeAdapter('NestJS', mount)

describe('the guard for NestJS', () => {
  let self: Bench
  beforeAll(async () => {
    self = await openBench(mount)
  })
  afterAll(() => self.close())

  it('takes an Idempotency-Key for a body that Nest has parsed, where it keeps the raw one (rule 10)', async () => {
    const headers = ['Authorization', await self.buy('POST', '/order'), 'Content-Type', 'application/json']
    headers.push('Idempotency-Key', 'k1')
    const order = (tea: number) => self.send('POST', '/order', { headers, body: `{"tea":${tea}}` })
    expect(await order(1)).toMatchObject({ status: 201, body: 'ordered {"tea":1}' })
    const again = await order(1)
    expect(again).toMatchObject({ status: 201, body: 'ordered {"tea":1}' })
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect((await order(2)).status).toBe(409)
  })

  it('asks for the length of a body that Nest has parsed, where its bytes are charged', async () => {
    const credential = await self.buy('POST', '/upload')
    const lines = ['Authorization', credential, 'Content-Type', 'application/json']
    expect((await sendUnstated(self, { lines, pieces: ['{"tea":', '1}'] })).status).toBe(411)
    const answer = await self.send('POST', '/upload', { headers: lines, body: '{"tea": 1}' })
    expect(answer).toMatchObject({ status: 200, body: 'got 9' })
    await expect.poll(async () => (await self.used(credential))?.used).toBe(1n)
  })

  it('refuses to guard what is not HTTP on Express', async () => {
    const toll = l402({
      lightning: memoryLightning(),
      store: memoryStore(),
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
      services: { weather: {} },
    })
    const { canActivate } = toll({ name: '/x', price: '1 sat' })
    const context = (type: string): NestContext => ({
      getType: () => type,
      switchToHttp: () => ({ getRequest: <T>() => ({ raw: {} }) as T, getResponse: <T>() => ({}) as T }),
    })
    await expect(canActivate(context('ws'))).rejects.toThrow('the guard of "/x" is for HTTP, got ws')
    await expect(canActivate(context('http'))).rejects.toThrow(
      'the guard of "/x" expected the Express platform',
    )
  })
})
