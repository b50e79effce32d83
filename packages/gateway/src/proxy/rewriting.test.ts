import { compileRoutes, type HeaderCondition } from '@turnpike/l402/server'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  type Books,
  closeAll,
  get,
  open,
  passGate,
  proxyRoute,
  readAll,
  request,
  sendRaw,
  startGateway,
  startUpstream,
  tableOf,
  type Upstream,
} from '../../test/proxy/harness.ts'
import { headerEdits } from './header-edits.ts'
import type { ProxyRoute } from './routing.ts'

afterEach(closeAll)

async function proxied(
  extra: Partial<ProxyRoute>,
  matches = ['/*'],
): Promise<{ port: number; upstream: Upstream }> {
  const upstream = await startUpstream((_, res) => {
    res
      .writeHead(200, ['X-Powered-By', 'php', 'x_powered_by', 'php', 'Server', 'demo', 'X-Kept', 'yes'])
      .end()
  })
  const base = extra.upstream?.basePath ?? ''
  const table = tableOf(upstream.origin, matches, {
    ...extra,
    upstream: { origin: upstream.origin, basePath: base },
  })
  const { port } = await startGateway({ routing: [table] })
  return { port, upstream }
}

describe('a prefix', () => {
  it.each([
    ['/users', '/api/users'],
    ['/users/', '/api/users/'],
    ['/', '/api/'],
    ['//users', '/api/users'],
    ['/users/../admin', '/api/admin'],
    ['/../../admin', '/api/admin'],
    ['/a%2fb', '/api/a%2Fb'],
    ['/users?to=/../x', '/api/users?to=/../x'],
  ])('stands before the path, after matching: %s goes as %s', async (path, sent) => {
    const { port, upstream } = await proxied({
      upstream: { origin: '', basePath: '/api' },
      allowEncodedSlash: true,
    })
    expect((await get(port, path)).status).toBe(200)
    expect(upstream.seen.map(({ url }) => url)).toEqual([sent])
  })

  it.each([
    ['/v1/users', '/users'],
    ['/v1/', '/'],
    ['/v1', '/'],
    ['/v1?q', '/?q'],
    ['/v1/v1/x', '/v1/x'],
    ['/v10/x', '/v10/x'],
    ['/%76%31/x', '/x'],
    ['/v1;a/x', '/v1;a/x'],
    ['/v1/%2Fx', '/%2Fx'],
  ])('is cut off as whole segments, once: %s goes as %s', async (path, sent) => {
    const { port, upstream } = await proxied({ stripPrefix: '/v1', allowEncodedSlash: true })
    expect((await get(port, path)).status).toBe(200)
    expect(upstream.seen.map(({ url }) => url)).toEqual([sent])
  })
})

describe('header edits', () => {
  const edits = headerEdits(
    [
      ['Authorization', 'Basic configured'],
      ['X-Api-Key', 'ours'],
    ],
    ['Cookie'],
  )
  const linesOf = (upstream: Upstream, name: string): string[] => {
    const raw = upstream.seen[0]?.rawHeaders ?? []
    return raw.flatMap((text, i) =>
      i % 2 === 0 && text.toLowerCase().replaceAll('_', '-') === name ? [`${text}: ${raw[i + 1]}`] : [],
    )
  }

  it('of requests win over what the client sent in any spelling', async () => {
    const { port, upstream } = await proxied(edits === undefined ? {} : { requestEdits: edits })
    await get(port, '/x', [
      'x-api-key: theirs',
      'X_API_KEY: theirs',
      'X-Api-Key: theirs again',
      'authorization: L402 AgEE:00',
      'AUTHORIZATION: Bearer theirs',
      'Cookie: a=b',
      'X-Other: kept',
    ])
    expect(linesOf(upstream, 'x-api-key')).toEqual(['X-Api-Key: ours'])
    expect(linesOf(upstream, 'authorization')).toEqual(['Authorization: Basic configured'])
    expect(linesOf(upstream, 'cookie')).toEqual([])
    expect(linesOf(upstream, 'x-other')).toEqual(['X-Other: kept'])
    expect(linesOf(upstream, 'host')).toEqual([
      `Host: ${new URL(upstream.origin).host}`.replace('Host', 'host'),
    ])
  })

  it('win where credentials are forwarded, too', async () => {
    const { port, upstream } = await proxied({
      forwardCredential: true,
      ...(edits === undefined ? {} : { requestEdits: edits }),
    })
    await get(port, '/x', ['Authorization: L402 AgEE:00'])
    expect(linesOf(upstream, 'authorization')).toEqual(['Authorization: Basic configured'])
  })

  it('of answers take lines out and put others in, and leave the gateway’s own', async () => {
    const answerEdits = headerEdits(
      [
        ['Server', 'mine'],
        ['Strict-Transport-Security', 'max-age=1'],
      ],
      ['X-Powered-By'],
    )
    const { port } = await proxied(answerEdits === undefined ? {} : { answerEdits }, ['/paid/*'])
    const { head } = await get(port, '/paid/x')
    expect(head).not.toMatch(/powered/i)
    expect(head.match(/^server: .*$/gim)).toEqual(['Server: mine'])
    expect(head).toContain('Strict-Transport-Security: max-age=1')
    expect(head).toContain('X-Kept: yes')
    expect(head).toContain('RateLimit: "calls";r=4')
  })
})

describe('a limit on bodies', () => {
  const limited = async (
    books: Books,
    handler?: Parameters<typeof startUpstream>[0],
  ): Promise<{ port: number; upstream: Upstream; decided: () => number; faults: string[] }> => {
    const upstream = await startUpstream(handler)
    let decisions = 0
    const faults: string[] = []
    const gate = passGate(books)
    const { port } = await startGateway({
      routing: [tableOf(upstream.origin, ['/paid/*'], { bodyLimit: 10 })],
      gate: {
        ...gate,
        decide: (asked) => {
          decisions++
          return gate.decide(asked)
        },
      },
      hooks: { fault: (code) => faults.push(code) },
    })
    return { port, upstream, decided: () => decisions, faults }
  }
  const chunked = (...chunks: string[]): string =>
    `${request('POST', '/paid/x', ['Transfer-Encoding: chunked'])}${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`

  it('is told at once from Content-Length, before the gate is asked', async () => {
    const books: Books = { entries: [] }
    const { port, upstream, decided } = await limited(books)
    const answer = await sendRaw(port, `${request('POST', '/paid/x', ['Content-Length: 11'])}hello world`)
    expect(answer.status).toBe(413)
    expect(answer.body).toContain('"code":"body_too_large"')
    expect(decided()).toBe(0)
    expect(upstream.seen).toEqual([])
    expect(
      (await sendRaw(port, `${request('POST', '/paid/x', ['Content-Length: 10'])}hello worl`)).status,
    ).toBe(200)
    expect(upstream.seen).toMatchObject([{ body: 'hello worl' }])
  })

  it('answers a client that waits for 100 Continue without taking the body', async () => {
    const { port, decided } = await limited({ entries: [] })
    const lines = ['Content-Length: 11', 'Expect: 100-continue']
    const answer = await sendRaw(port, request('POST', '/paid/x', lines))
    expect(answer.status).toBe(413)
    expect(decided()).toBe(0)
  })

  it('aborts the upstream in the middle of a chunked body, gives the use back and answers 413', async () => {
    const books: Books = { entries: [] }
    let aborted = false
    const { port, upstream, faults } = await limited(books, (req, res) => {
      req.on('error', () => {})
      req.on('close', () => {
        aborted = !req.complete
      })
      req.on('end', () => res.end('done'))
      req.resume()
    })
    const socket = open(port)
    const all = readAll(socket)
    socket.write(chunked('hello').replace('0\r\n\r\n', ''))
    await vi.waitFor(() => expect(upstream.seen).toHaveLength(1))
    socket.write('6\r\n world\r\n0\r\n\r\n')
    expect(await all).toMatch(/^HTTP\/1\.1 413 [\s\S]*"code":"body_too_large"/)
    await vi.waitFor(() => expect(aborted).toBe(true))
    expect(books.entries).toEqual(['release'])
    expect(faults).toEqual([])
  })

  it('lets a chunked body of exactly so many bytes through', async () => {
    const books: Books = { entries: [] }
    const { port, upstream } = await limited(books)
    expect((await sendRaw(port, chunked('hello', ' worl'))).status).toBe(200)
    expect(upstream.seen).toMatchObject([{ body: 'hello worl' }])
    expect(books.entries).toEqual(['serve', 'commit'])
  })

  it('cuts an answer that had begun before the body was too long', async () => {
    const books: Books = { entries: [] }
    const { port } = await limited(books, (req, res) => {
      req.on('error', () => {})
      req.once('data', () => res.write('begun'))
      req.resume()
    })
    const socket = open(port)
    let text = ''
    const begun = new Promise<void>((resolve) => {
      socket.on('data', (data: Buffer) => {
        text += data.toString('latin1')
        if (text.includes('begun')) resolve()
      })
    })
    const gone = new Promise((resolve) => socket.once('close', resolve))
    socket.write(chunked('hello').replace('0\r\n\r\n', ''))
    await begun
    socket.write('6\r\n world\r\n')
    await gone
    expect(text).not.toContain('413')
    expect(text).not.toMatch(/\r\n0\r\n\r\n$/)
    expect(books.entries).toEqual(['serve', 'commit'])
  })
})

describe('routes by header', () => {
  const table = async (): Promise<{ port: number; taken: () => (string | undefined)[] }> => {
    const upstream = await startUpstream()
    const large: HeaderCondition = { name: 'X-Model', is: 'large' }
    const route = (match: string, name: string): ProxyRoute => {
      const made = proxyRoute(upstream.origin, match)
      return { ...made, terms: { ...made.terms, name } }
    }
    const taken: (string | undefined)[] = []
    const { port } = await startGateway({
      routing: [
        {
          routes: compileRoutes([
            { match: 'POST /chat', headers: [large], value: route('POST /chat', 'large') },
            { match: 'POST /chat', value: route('POST /chat', 'small') },
          ]),
        },
      ],
      hooks: { finished: ({ route: terms }) => taken.push(terms?.name) },
    })
    return { port, taken: () => taken }
  }
  const post = (lines: string[]): string => request('POST', '/chat', lines)

  it('take the request that holds it, and nobody one that two readers could read differently', async () => {
    const { port, taken } = await table()
    expect((await sendRaw(port, post(['x-model: large']))).status).toBe(200)
    expect((await sendRaw(port, post(['x-model: small']))).status).toBe(200)
    expect((await sendRaw(port, post(['x-model: small', 'X-Model: large']))).status).toBe(404)
    expect((await sendRaw(port, post(['x_model: large']))).status).toBe(404)
    expect(taken()).toEqual(['large', 'small', undefined, undefined])
  })

  it('refuse a request that has the deciding line dropped on the way', async () => {
    const { port } = await table()
    const text = post(['x-model: large']).replace('Connection: close', 'Connection: close, X-Model')
    const answer = await sendRaw(port, text)
    expect(answer.status).toBe(400)
    expect(answer.body).toContain('bad_request')
  })

  it('answer preflights for every method of the path', async () => {
    const { port } = await table()
    const lines = ['Origin: https://page.test', 'Access-Control-Request-Method: POST']
    const answer = await sendRaw(port, request('OPTIONS', '/chat', lines))
    expect(answer.status).toBe(204)
    expect(answer.head).toContain('POST')
  })
})
