/** The built gateway and the HTTP clients that people have: curl, h2load, wrk, and a WebSocket client. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { selfSigned } from '../packages/gateway/src/commands/self-signed.ts'
import { ask } from '../packages/gateway/test/e2e/client.ts'
import {
  type Bought,
  buy,
  cleanUp,
  configOf,
  folderWith,
  type Program,
  serve,
} from '../packages/gateway/test/e2e/program.ts'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'
import { endPrograms, installed, type Ran, runProgram, titled } from './lib/programs.ts'
import { headerOf, openShop, usedOf } from './lib/shop.ts'

const there = { curl: installed('curl'), h2load: installed('h2load'), wrk: installed('wrk', '-v') }

let upstream: Upstream
let gateway: Program
let pass: Bought
let bundle: Bought

beforeAll(async () => {
  upstream = await startUpstream((req, res) => {
    let bytes = 0
    req.on('data', (chunk: string) => {
      bytes += chunk.length
    })
    req.on('end', () => res.end(JSON.stringify({ method: req.method, bytes })))
  })
  gateway = await openShop(upstream.origin)
  pass = await buy(gateway, '/pass/x')
  bundle = await buy(gateway, '/paid/x')
})
afterAll(async () => {
  await endPrograms()
  await cleanUp()
  await closeUpstreams()
})

const used = async (): Promise<number> =>
  usedOf(
    (await ask(gateway.url, 'GET', '/paid/x', { headers: { Authorization: bundle.authorization } })).header(
      'ratelimit',
    ),
  )

describe.skipIf(!there.curl)(titled('curl', 'curl', there.curl), () => {
  const curl = (...args: readonly string[]): Promise<Ran> =>
    runProgram('curl', [
      '--silent',
      '--show-error',
      '--max-time',
      '60',
      '--write-out',
      '\n%{http_code} %{http_version}',
      ...args,
    ])
  const last = ({ out }: Ran): string => out.split('\n').at(-1) ?? ''

  it.each([
    ['--http1.1', '1.1'],
    ['--http2', '1.1'],
    ['--http2-prior-knowledge', '2'],
    ['--http1.0', '1.1'],
  ])('%s is refused, and served when it has paid', async (version, answered) => {
    const refused = await curl(version, '--include', `${gateway.url}/pass/x`)
    expect(last(refused)).toBe(`402 ${answered}`)
    expect(refused.out).toMatch(/^www-authenticate: L402 /im)
    const served = await curl(version, '--header', headerOf(pass), `${gateway.url}/pass/x`)
    expect(served.out).toContain('{"method":"GET","bytes":0}')
    expect(last(served)).toBe(`200 ${answered}`)
  })

  it.each(['--http1.1', '--http2-prior-knowledge'])('%s --head is gated like GET', async (version) => {
    expect(last(await curl(version, '--head', `${gateway.url}/pass/x`))).toMatch(/^402 /)
    expect(last(await curl(version, '--head', '--header', headerOf(pass), `${gateway.url}/pass/x`))).toMatch(
      /^200 /,
    )
  })

  it.each(['--http1.1', '--http2-prior-knowledge', '--http1.0'])(
    '%s uploads a file whole, when it has paid',
    async (version) => {
      const folder = mkdtempSync(join(tmpdir(), 'turnpike-lab-'))
      const file = join(folder, 'upload')
      writeFileSync(file, Buffer.alloc(3_000_000, 'x'))
      const seen = upstream.seen.length
      const refused = await curl(version, '--upload-file', file, `${gateway.url}/pass/x`)
      expect(last(refused)).toMatch(/^402 /)
      expect(upstream.seen.length).toBe(seen)
      const served = await curl(
        version,
        '--upload-file',
        file,
        '--header',
        headerOf(pass),
        `${gateway.url}/pass/x`,
      )
      expect(served.out).toContain('{"method":"PUT","bytes":3000000}')
      rmSync(folder, { recursive: true })
    },
  )

  it('waits for 100 Continue, which only a paid request gets', async () => {
    const waiting = [
      '--verbose',
      '--http1.1',
      '--header',
      'Expect: 100-continue',
      '--expect100-timeout',
      '50',
      '--data',
      'hello',
    ]
    const refused = await curl(...waiting, `${gateway.url}/pass/x`)
    expect(refused.err).not.toContain('100 Continue')
    expect(last(refused)).toBe('402 1.1')
    const served = await curl(...waiting, '--header', headerOf(pass), `${gateway.url}/pass/x`)
    expect(served.err).toContain('100 Continue')
    expect(served.out).toContain('{"method":"POST","bytes":5}')
  })

  it('speaks HTTP/2 over TLS, and HTTP/1.1 where it wants that', async () => {
    const folder = folderWith(
      configOf({ upstream: upstream.origin, top: 'tls: { certFile: a.crt, keyFile: a.key }' }),
    )
    const { cert, key } = selfSigned(['localhost'], 1)
    writeFileSync(join(folder, 'a.crt'), cert)
    writeFileSync(join(folder, 'a.key'), key)
    const secure = await serve(folder)
    const url = `https://localhost:${secure.port}/free/x`
    const trusting = ['--cacert', join(folder, 'a.crt'), '--resolve', `localhost:${secure.port}:127.0.0.1`]
    expect(last(await curl(...trusting, url))).toBe('200 2')
    expect(last(await curl(...trusting, '--http1.1', url))).toBe('200 1.1')
    await secure.stop()
  })
})

describe.skipIf(!there.h2load)(titled('h2load', 'h2load', there.h2load), () => {
  it.each([
    ['HTTP/2', []],
    ['HTTP/1.1', ['--h1']],
  ])('over %s: every call is served and counted once', async (_, version) => {
    const before = await used()
    const seen = upstream.seen.length
    const ran = await runProgram('h2load', [
      ...version,
      ...['-n', '500', '-c', '5', '-m', '10', '--header', headerOf(bundle), `${gateway.url}/paid/x`],
    ])
    expect(ran.out).toContain('500 succeeded, 0 failed, 0 errored')
    expect(upstream.seen.length - seen).toBe(500)
    expect((await used()) - before).toBe(501)
  })

  it('unpaid: every answer is 402 and none arrives', async () => {
    const seen = upstream.seen.length
    const ran = await runProgram('h2load', ['-n', '200', '-c', '5', '-m', '10', `${gateway.url}/paid/x`])
    expect(ran.out).toMatch(/status codes: 0 2xx, 0 3xx, 200 4xx, 0 5xx/)
    expect(upstream.seen.length).toBe(seen)
  })
})

describe.skipIf(!there.wrk)(titled('wrk', 'wrk', there.wrk), () => {
  it('is served for as long as it asks, without an error', async () => {
    const ran = await runProgram('wrk', [
      '-t1',
      '-c8',
      '-d2s',
      '--timeout',
      '60s',
      '-H',
      headerOf(pass),
      `${gateway.url}/pass/x`,
    ])
    expect(ran.out).toMatch(/[1-9]\d* requests in /)
    expect(ran.out).not.toMatch(/Non-2xx|Socket errors/)
  })
})

describe('a WebSocket client', () => {
  it('gets in when it has paid, and what it sends comes back', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })))
    await expect.poll(() => server.address()).not.toBe(null)
    const { port } = server.address() as { port: number }
    const shop = await openShop(`http://127.0.0.1:${port}`)
    const url = `${shop.url.replace('http', 'ws')}/paid/socket`
    const refused = await new Promise<number | undefined>((resolve) => {
      new WebSocket(url)
        .on('unexpected-response', (_, answer) => resolve(answer.statusCode))
        .on('error', () => {})
    })
    expect(refused).toBe(402)
    expect(server.clients.size).toBe(0)
    const { authorization } = await buy(shop, '/paid/x')
    const socket = new WebSocket(url, { headers: { Authorization: authorization } })
    const got: string[] = []
    socket.on('message', (data, binary) => {
      got.push(binary ? `${(data as Buffer).length} bytes` : String(data))
      if (got.length === 2) socket.close(1000, 'enough')
    })
    socket.on('open', () => {
      socket.send('hello')
      socket.send(Buffer.alloc(200_000))
    })
    const [code, reason] = await new Promise<[number, string]>((resolve, reject) => {
      socket.on('close', (...how) => resolve([how[0], String(how[1])])).on('error', reject)
    })
    expect([code, reason, ...got]).toEqual([1000, 'enough', 'hello', '200000 bytes'])
    server.close()
  })
})
