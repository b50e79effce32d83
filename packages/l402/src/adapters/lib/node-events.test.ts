/** A session's event stream on Node's response, through the adapter that has no framework around it. */

import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Bench, listen, openBench } from '../../../test/matrix.ts'
import { dataOf, type MatrixSession, numbersIn, sessionAt } from '../../../test/matrix-sessions.ts'
import type { L402Access } from '../../server/access.ts'
import type { L402Route } from '../../server/route-gates.ts'
import { l402 } from '../node.ts'

const ROUTE: L402Route = {
  name: 'GET /events',
  price: '10 sat',
  grants: { credit: '10 sat' },
  charge: { events: '3 sat', estimate: '4 sat' },
}
const SSE = { 'Content-Type': 'text/event-stream' }
const event = (n: number): string => `data: ${n}\n\n`
/** Three events are paid for by one deposit; the others wait. */
const THREE = event(1) + event(2) + event(3)

let bench: Bench | undefined
afterEach(async () => {
  await bench?.close()
  bench = undefined
})

/** As Express's `compression` does it: its buffer is small, and says itself when it has room again. */
function compressing(res: ServerResponse): void {
  // Of every stream, though the types of zlib leave it out.
  const small: object = { writableHighWaterMark: 16 }
  const gzip = createGzip(small)
  const [write, end, on, writeHead] = [res.write, res.end, res.on, res.writeHead].map((method) =>
    (method as (...args: readonly unknown[]) => unknown).bind(res),
  ) as [() => void, () => void, (...args: readonly unknown[]) => void, (status: number) => void]
  gzip.on('data', write).on('end', end)
  Object.assign(res, {
    writeHead(status: number) {
      res.setHeader('Content-Encoding', 'gzip')
      writeHead(status)
      return res
    },
    write: gzip.write.bind(gzip),
    end(...args: Parameters<typeof gzip.end>) {
      gzip.end(...args)
      return res
    },
    on(type: string, listener: () => void) {
      if (type === 'drain') gzip.on(type, listener)
      else on(type, listener)
      return res
    },
    flush: () => gzip.flush(),
  })
}

type Handler = (res: ServerResponse, access: L402Access | null) => void | Promise<void>

/** A server with one handler, and a session there. What the handler throws is in `failures`. */
async function open(
  handler: Handler,
  {
    route = ROUTE,
    middleware = () => {},
  }: { readonly route?: L402Route; readonly middleware?: (res: ServerResponse) => void } = {},
): Promise<MatrixSession & { readonly failures: unknown[] }> {
  const failures: unknown[] = []
  bench = await openBench((options) => {
    const paid = l402(options)(route, (_req, res, access) => handler(res, access))
    return listen(
      createServer((req, res) => {
        middleware(res)
        paid(req, res).catch((error: unknown) => failures.push(error))
      }),
    )
  })
  return { ...(await sessionAt(bench, '/events')), failures }
}

/** What is to come breaks the answer off while it waits behind three events, which are charged. */
async function breaksOff(session: MatrixSession, come: () => void): Promise<void> {
  const { res, text } = await session.stream()
  await expect.poll(text).toContain('payment-need-topup')
  const closed = new Promise((resolve) => {
    // Not `once` of `node:events`, which rejects for an error.
    res.once('close', resolve)
  })
  come()
  await closed
  expect([res.complete, numbersIn(text())]).toEqual([false, ['1', '2', '3']])
  await expect.poll(async () => (await session.books())?.used).toBe(9_000n)
}

describe('a handler that writes the event stream of a session', () => {
  it('is told to wait and when to go on, and what it writes meanwhile goes out in order', async () => {
    const said: unknown[] = []
    const called: string[] = []
    let written: ServerResponse | undefined
    const session = await open(async (res) => {
      written = res
      res.writeHead(200, SSE)
      const write = (text: string): void => {
        said.push(res.write(text, 'utf8', (error) => called.push(`${text.slice(6, 7)} ${error ?? 'out'}`)))
      }
      write(event(1))
      said.push(res.writableNeedDrain)
      write(event(2) + event(3))
      write(event(4))
      write(event(5).slice(0, 4))
      write(event(5).slice(4))
      said.push(res.writableNeedDrain)
      await once(res, 'drain')
      said.push('drain', res.writableNeedDrain, [...called])
      write(event(6))
      res.end()
    })
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('payment-need-topup')
    expect(numbersIn(text())).toEqual(['1', '2', '3'])
    expect(said).toEqual([true, false, false, false, false, false, true])
    expect(called).toEqual(['1 out'])
    await session.topUp()
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(numbersIn(text())).toEqual(['1', '2', '3', '4', '5', '6'])
    expect(said.slice(7, 9)).toEqual(['drain', false])
    expect(called.map((line) => line.slice(-3))).toEqual(Array(6).fill('out'))
    expect(written?.writableFinished).toBe(true)
    expect(await session.books()).toEqual({ used: 18_000n, credited: 20_000n, lost: 0n })
  })

  it('has given its answer when it ends while the stream waits, and the end goes out last', async () => {
    const ended = vi.fn()
    let seen: ServerResponse | undefined
    const session = await open((res) => {
      seen = res
      res.writeHead(200, { ...SSE, 'Content-Length': 999 })
      res.write(THREE)
      res.end(`${event(4)}data: [DONE]\n\n`, ended)
      // As some frameworks do, to be sure.
      res.end()
    })
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('payment-need-topup')
    expect(res.headers['content-length']).toBeUndefined()
    expect([seen?.writableEnded, seen?.writableFinished]).toEqual([true, false])
    expect(ended).not.toHaveBeenCalled()
    await session.topUp()
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(text()).toMatch(/data: 4\n\nevent: payment-receipt\n.*\n\ndata: \[DONE\]\n\n$/)
    await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce())
    expect(seen?.writableFinished).toBe(true)
    expect((await session.books())?.used).toBe(12_000n)
  })

  it('goes through the stream with what it says in one piece, too', async () => {
    const session = await open((res) => {
      res.setHeader('Content-Type', 'text/event-stream; charset=utf-8')
      res.end(THREE + event(4))
    })
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('payment-need-topup')
    await session.topUp()
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 12, units: 4 }])
  })

  it.each<[string, Handler]>([
    [
      'throws',
      async (res) => {
        res.writeHead(200, SSE).write(THREE + event(4))
        await once(res, 'go')
        throw new Error('the handler’s own')
      },
    ],
    [
      'cuts its answer off',
      (res) => {
        res.writeHead(200, SSE).write(THREE + event(4))
        res.once('go', () => res.destroy())
      },
    ],
    [
      'pipes what breaks off',
      async (res) => {
        const source = new PassThrough()
        res.once('go', () => source.destroy(new Error('the source’s own')))
        source.write(THREE + event(4))
        await pipeline(source, res.writeHead(200, SSE)).catch(() => {})
      },
    ],
  ])('is charged what is certain where it %s while the stream waits', async (_, handler) => {
    let served: ServerResponse | undefined
    const session = await open((res, access) => {
      served = res
      return handler(res, access)
    })
    await breaksOff(session, () => served?.emit('go'))
  })

  it('breaks off where it goes on without waiting, far beyond what can be kept for it', async () => {
    const lost: unknown[] = []
    let served: ServerResponse | undefined
    const session = await open((res) => {
      served = res
      res.writeHead(200, SSE).write(THREE + event(4))
      const large = `data: ${'x'.repeat(2 ** 20)}\n\n`
      res.once('go', () => {
        for (let i = 0; i < 17; i++) res.write(large, (error) => lost.push(error))
      })
    })
    await breaksOff(session, () => served?.emit('go'))
    await expect.poll(() => lost).toHaveLength(17)
    expect(lost.every((error) => error instanceof Error)).toBe(true)
  })

  it('learns that a stream has ended before its time as of a client that has left, and may write on unharmed', async () => {
    const said: unknown[] = []
    const done = vi.fn()
    const session = await open(async (res) => {
      res.writeHead(200, SSE).write(THREE + event(4))
      await once(res, 'close')
      res.write(event(5), (error) => said.push(error?.message))
      said.push(res.write(event(6)), res.writableEnded)
      res.end(event(7))
      done()
    })
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('payment-need-topup')
    await session.close()
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(text()).toMatch(/\nevent: session-timeout\ndata: .*\n\n$/)
    await vi.waitFor(() => expect(done).toHaveBeenCalledOnce())
    expect(said).toEqual([false, true, 'the event stream is over'])
    expect(session.failures).toEqual([])
  })

  it('is not held open with its source by a stream that has ended before its time', async () => {
    const source = Readable.from([THREE, event(4), event(5)])
    const session = await open((res) => pipeline(source, res.writeHead(200, SSE)))
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('payment-need-topup')
    await session.close()
    await expect.poll(() => res.readableEnded).toBe(true)
    await vi.waitFor(() => expect(session.failures).toMatchObject([{ code: 'ERR_STREAM_PREMATURE_CLOSE' }]))
    expect(source.destroyed).toBe(true)
  })

  it('sells a call as one unit of a bundle, however much it says', async () => {
    const route = { name: 'GET /bundle', price: '10 sat', grants: { calls: 5 } }
    const session = await open((res) => void res.writeHead(200, SSE).end(THREE + event(4)), { route })
    const { res, text } = await session.stream()
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 2, units: 4 }])
    expect((await session.stream()).res.headers['ratelimit']).toBe('"calls";r=3')
  })

  it('takes what the handler says as the price of its events', async () => {
    const route = { ...ROUTE, charge: { byHandler: true, estimate: '4 sat' } } as const
    const session = await open(
      async (res, access) => {
        res.writeHead(200, SSE)
        for (const n of [1, 2, 3, 4]) {
          access?.charge(3_000n)
          if (!res.write(event(n))) await once(res, 'drain')
        }
        res.end()
      },
      { route },
    )
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('"balanceRequired":3')
    expect(numbersIn(text())).toEqual(['1', '2', '3'])
    await session.topUp()
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(dataOf(text(), 'payment-receipt')).toMatchObject([{ spent: 12, units: 4 }])
    expect((await session.books())?.used).toBe(12_000n)
  })

  it('leaves an answer with a content coding as it is', async () => {
    const session = await open((res) => {
      res.writeHead(200, { ...SSE, 'Content-Encoding': 'gzip' })
      createGzip().end(THREE).pipe(res)
    })
    const self = bench as Bench
    const res = await fetch(`http://127.0.0.1:${self.port}/events`, { headers: session.lines })
    expect(await res.text()).toBe(THREE)
  })

  it('reaches its client through middleware that compresses, the session’s own events at once', async () => {
    const session = await open(
      async (res) => {
        res.writeHead(200, SSE)
        for (const n of [1, 2, 3, 4, 5, 6]) if (!res.write(event(n))) await once(res, 'drain')
        res.end()
      },
      { middleware: compressing },
    )
    const { body } = await fetch(`http://127.0.0.1:${(bench as Bench).port}/events`, {
      headers: session.lines,
    })
    const seen: string[] = []
    const read = (async () => {
      for await (const bytes of body ?? []) seen.push(new TextDecoder().decode(bytes))
    })()
    await expect.poll(() => seen.join('')).toContain('payment-need-topup')
    await session.topUp()
    await read
    expect(numbersIn(seen.join(''))).toEqual(['1', '2', '3', '4', '5', '6'])
    expect(dataOf(seen.join(''), 'payment-receipt')).toMatchObject([{ spent: 18, units: 6 }])
  })
})
