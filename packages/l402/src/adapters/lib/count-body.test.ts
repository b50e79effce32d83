import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createH2Server } from 'node:http2'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { type Bench, listen, openBench } from '../../../test/matrix.ts'
import { listenBehindFront } from '../../../test/support/h2-front.ts'
import { l402, type NodeHandler } from '../node.ts'
import { sendUnstated } from '../request-bytes.test-suite.ts'
import { streamOf } from './node-http2.ts'

const ROUTE = {
  name: 'POST /upload',
  price: '1000 sat',
  grants: { credit: '1000 sat' },
  charge: { requestBytes: '1 msat', estimate: '100 msat' },
}

const open: Bench[] = []
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.close()
})

/** One server of each version; `before` has the request before the gate has it. */
async function serve(
  version: 1 | 2,
  handler: NodeHandler,
  before: (req: IncomingMessage) => Promise<unknown> = () => Promise.resolve(),
): Promise<Bench> {
  const bench = await openBench((options) => {
    const upload = l402(options)(ROUTE, handler)
    const listener: RequestListener = (req, res) => {
      before(req)
        .then(() => upload(req, res))
        .catch(() => res.destroy())
    }
    return version === 1
      ? listen(createServer(listener))
      : listenBehindFront(createH2Server(listener as never))
  })
  open.push(bench)
  return bench
}

const echo: NodeHandler = async (req, res) => {
  res.end(await text(req))
}

const PIECES = ['one', 'two', 'x'.repeat(200_000)]
const LENGTH = BigInt(PIECES.join('').length)

describe.each([1, 2] as const)('the bytes of a body over HTTP/%i', (version) => {
  it.each([[PIECES], [['']], [['x']]])('are counted once, whenever they come', async (pieces) => {
    const self = await serve(version, echo, () => new Promise((resolve) => setImmediate(resolve)))
    const credential = await self.buy('POST', '/upload')
    const { status } = await sendUnstated(self, { lines: ['Authorization', credential], pieces })
    expect(status).toBe(200)
    await expect.poll(async () => (await self.used(credential))?.used).toBe(BigInt(pieces.join('').length))
  })

  it('are counted where the gate has read them first and put them back', async () => {
    const self = await serve(version, echo)
    const credential = await self.buy('POST', '/upload')
    const lines = ['Authorization', credential, 'Idempotency-Key', 'k1']
    expect(await sendUnstated(self, { lines, pieces: PIECES })).toEqual({
      status: 200,
      body: PIECES.join(''),
    })
    await expect.poll(async () => (await self.used(credential))?.used).toBe(LENGTH)
  })

  it('are asked for where they were read in front of the gate and no length is stated', async () => {
    let runs = 0
    const handler: NodeHandler = (_, res) => {
      runs++
      res.end('ran')
    }
    const self = await serve(version, handler, text)
    const credential = await self.buy('POST', '/upload')
    expect((await sendUnstated(self, { lines: ['Authorization', credential], pieces: ['one'] })).status).toBe(
      411,
    )
    expect(runs).toBe(0)
    const headers = ['Authorization', credential]
    expect((await self.send('POST', '/upload', { headers, body: 'hello' })).status).toBe(200)
    await expect.poll(async () => (await self.used(credential))?.used).toBe(5n)
    expect((await sendUnstated(self, { lines: headers, pieces: [''] })).status).toBe(200)
  })

  it('are asked for where they wait as text, which has a length of its own', async () => {
    const self = await serve(version, echo, async (req) => {
      req.setEncoding('utf8')
      await new Promise((resolve) => req.once('readable', resolve))
    })
    const credential = await self.buy('POST', '/upload')
    expect((await sendUnstated(self, { lines: ['Authorization', credential], pieces: ['ünë'] })).status).toBe(
      411,
    )
  })

  it('are charged where the client leaves before it is answered, and no more than came', async () => {
    let seen = 0
    const self = await serve(version, async (req) => {
      for await (const chunk of req as AsyncIterable<Uint8Array>) seen += chunk.length
    })
    const credential = await self.buy('POST', '/upload')
    const req = httpRequest({
      ...{ host: '127.0.0.1', port: self.port, method: 'POST', path: '/upload', agent: false },
      headers: ['Host', 'x', 'Authorization', credential, 'Content-Length', '9000'],
    })
    req.on('error', () => {}).write('x'.repeat(5_000))
    await expect.poll(() => seen).toBe(5_000)
    req.destroy()
    await expect.poll(async () => (await self.used(credential))?.used).toBe(5_000n)
  })

  it('are charged as stated where the answer does not wait for them', async () => {
    const self = await serve(version, async (req, res) => {
      res.writeHead(200)
      res.write('early')
      await text(req)
      res.end()
    })
    const headers = ['Authorization', await self.buy('POST', '/upload')]
    const body = PIECES.join('')
    expect((await self.send('POST', '/upload', { headers, body })).status).toBe(200)
    await expect.poll(async () => (await self.used(headers[1] ?? ''))?.used).toBe(LENGTH)
  })
})

it('counts the bytes that a handler takes from the stream of an HTTP/2 request', async () => {
  const self = await serve(2, async (req, res) => {
    res.end(await text(streamOf(req) as Readable))
  })
  const credential = await self.buy('POST', '/upload')
  const { body } = await sendUnstated(self, { lines: ['Authorization', credential], pieces: PIECES })
  expect(body).toHaveLength(Number(LENGTH))
  await expect.poll(async () => (await self.used(credential))?.used).toBe(LENGTH)
})
