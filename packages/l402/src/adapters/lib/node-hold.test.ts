/** What a handler does wrong with its response: the same comes of it as where nothing stands in front of it. */

import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it } from 'vitest'
import { type Bench, listen, openBench } from '../../../test/matrix.ts'
import { l402, type NodeHandler } from '../node.ts'

const ROUTE = { name: 'GET /paid', price: '1 sat', grants: { calls: 2 } }

const open: Bench[] = []
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.close()
})

/** A server with the handler at `/free`, bare, and at `/paid`; rejections are answered with 500. */
async function serve(handler: NodeHandler): Promise<Bench> {
  const bench = await openBench((options) => {
    const paid = l402(options)(ROUTE, handler)
    return listen(
      createServer((req, res) => {
        const done = req.url === '/paid' ? paid(req, res) : (async () => handler(req, res, null))()
        done.catch(() => (res.headersSent ? res.destroy() : res.writeHead(500).end('failed')))
      }),
    )
  })
  open.push(bench)
  return bench
}

/** All that comes over the wire, the lines of its head in order, but for the date and what is said of the credit. */
async function wire({ port }: Bench, target: string, authorization = 'none'): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(
    `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\n\r\n`,
  )
  const [head = '', ...body] = (await text(socket)).split('\r\n\r\n')
  const lines = head.split('\r\n').filter((line) => !/^(?:Date|RateLimit|RateLimit-Policy):/i.test(line))
  return [lines.sort().join('\n'), ...body].join('\n\n')
}

type Misuse = (res: ServerResponse, say: (what: unknown) => void) => void

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown } | undefined)?.code

function threw(task: () => unknown): unknown {
  try {
    task()
    return 'nothing thrown'
  } catch (error) {
    return codeOf(error)
  }
}

describe('a handler that goes on after the end of its answer', () => {
  it.each<[string, Misuse]>([
    [
      'writes more',
      (res, say) => {
        res.end('answer')
        say(res.write('late', (error) => say(codeOf(error))))
      },
    ],
    [
      'writes more to a stream',
      (res, say) => {
        res.write('head ')
        res.end('answer')
        say(res.write(Buffer.from('late'), (error) => say(codeOf(error))))
      },
    ],
    [
      'ends it again with more',
      (res, say) => {
        res.end('answer')
        say(res.end('again') === res)
      },
    ],
    [
      'ends it again',
      (res, say) => {
        res.end('answer')
        say(res.end() === res)
        say(res.writableEnded)
      },
    ],
    [
      'writes what is no chunk',
      (res, say) => {
        res.end('answer')
        say(threw(() => res.write(1 as never)))
      },
    ],
    [
      'sets header lines',
      (res, say) => {
        res.end('answer')
        say(threw(() => res.setHeader('A', 'b')))
        say(threw(() => res.writeHead(500)))
        say(threw(() => res.removeHeader('Content-Length')))
      },
    ],
  ])('sends nothing of it and hears of it as from Node: %s', async (_, misuse) => {
    const said: unknown[] = []
    const bench = await serve((_req, res) => {
      res.on('error', (error) => said.push(codeOf(error))).on('close', () => said.push('closed'))
      misuse(res, (what) => said.push(what))
    })
    const bare = await wire(bench, '/free')
    await expect.poll(() => said.at(-1)).toBe('closed')
    const expected = said.splice(0)
    expect(await wire(bench, '/paid', await bench.buy('GET', '/paid'))).toBe(bare)
    await expect.poll(() => said.at(-1)).toBe('closed')
    expect(said).toEqual(expected)
  })
})

describe('a handler that answers with what cannot be sent', () => {
  it.each<[string, (res: ServerResponse) => void]>([
    ['a number at the end', (res) => res.end(123)],
    ['an object at the end', (res) => res.end({})],
    ['an unknown encoding at the end', (res) => res.end('x', 'nope' as never)],
    ['a number', (res) => void res.write(123)],
    ['null', (res) => void res.write(null)],
    ['an unknown encoding', (res) => void res.write('x', 'nope' as never)],
    [
      'a number after what can',
      (res) => {
        res.write('x')
        res.end(123)
      },
    ],
  ])('fails at once, and its use is given back: %s', async (_, misuse) => {
    let wrong = true
    const codes: unknown[] = []
    const bench = await serve((_req, res) => {
      if (!wrong) return void res.end('fine')
      try {
        misuse(res)
        codes.push('nothing thrown')
      } catch (error) {
        codes.push(codeOf(error))
        throw error
      }
    })
    const credential = await bench.buy('GET', '/paid')
    await wire(bench, '/free')
    for (let i = 0; i < 3; i++) await wire(bench, '/paid', credential)
    expect(codes).toEqual(Array(4).fill(expect.stringMatching(/^ERR_/)))
    expect(new Set(codes).size).toBe(1)
    wrong = false
    const headers = ['Authorization', credential]
    for (let i = 0; i < 2; i++)
      await expect.poll(async () => (await bench.send('GET', '/paid', { headers })).status).toBe(200)
    expect((await bench.send('GET', '/paid', { headers })).status).toBe(402)
  })

  it('and then says so by itself has its use given back, too', async () => {
    let status = 'fine\u0000'
    const bench = await serve((_req, res) => {
      res.statusMessage = status
      try {
        res.end('x')
      } catch {
        res.statusMessage = 'Oops'
        res.writeHead(500, { 'Content-Length': 4 }).end('Oops')
      }
    })
    const headers = ['Authorization', await bench.buy('GET', '/paid')]
    const get = async (): Promise<number> => (await bench.send('GET', '/paid', { headers })).status
    for (let i = 0; i < 3; i++) expect(await get()).toBe(500)
    status = 'fine'
    expect([await get(), await get(), await get()]).toEqual([200, 200, 402])
  })

  it('has its answer cut off where only the end itself can find out, and no process ends of it', async () => {
    const bench = await serve((_req, res) => {
      res.strictContentLength = true
      res.setHeader('Content-Length', 100)
      res.end('too little')
    })
    const credential = await bench.buy('GET', '/paid')
    await expect(bench.send('GET', '/paid', { headers: ['Authorization', credential] })).rejects.toThrow()
  })
})
