import { afterEach, describe, expect, it } from 'vitest'
import {
  closeAll,
  get,
  passGate,
  refuseGate,
  sendRaw,
  startGateway,
  startUpstream,
  tableOf,
} from '../../test/proxy/harness.ts'

afterEach(closeAll)

// From the free prefix towards the paid one, as readers of all kinds spell it; and what the gateway makes of it.
const spellings: readonly (readonly [string, string | 400])[] = [
  ['/free/../paid/x', '/paid/x'],
  ['/free/./../paid/x', '/paid/x'],
  ['/free/%2e%2e/paid/x', '/paid/x'],
  ['/free/%2E%2E/paid/x', '/paid/x'],
  ['/free/.%2e/paid/x', '/paid/x'],
  ['/free//../paid/x', '/paid/x'],
  ['/free/a/../../paid/x', '/paid/x'],
  ['//paid/x', '/paid/x'],
  ['/paid//x', '/paid/x'],
  ['/%70aid/x', '/paid/x'],
  ['/free/../../../paid/x', '/paid/x'],
  ['http://gateway.test/free/../paid/x', '/paid/x'],
  ['HTTP://GATEWAY.TEST:80/paid/x', '/paid/x'],
  ['/free/..%2fpaid/x', 400],
  ['/free/..%2Fpaid/x', 400],
  ['/free%2f..%2fpaid/x', 400],
  ['/free/..%5cpaid/x', 400],
  ['/free/..\\paid/x', 400],
  ['/free\\..\\paid/x', 400],
  ['/free/..;/paid/x', 400],
  ['/free/..;a=b/paid/x', 400],
  ['/free/%2e%2e;/paid/x', 400],
  ['/free/;/../paid/x', 400],
  ['/free/%252e%252e/paid/x', 400],
  ['/free/..%252fpaid/x', 400],
  ['/free/..%255cpaid/x', 400],
  ['/free/%c0%ae%c0%ae/paid/x', 400],
  ['/free/x%00', 400],
  ['/free/%00/../paid/x', 400],
  ['/free/x%0d%0aX-L402-Token-Id:%20a', 400],
  ['/free/x%', 400],
  ['/free/%zz/../paid/x', 400],
  ['/free/#/../../paid/x', 400],
  ['/free/x?y#/../../paid/x', 400],
  ['http://other.test/free/x', 400],
  ['http://user@gateway.test/free/x', 400],
  ['ftp://gateway.test/free/x', 400],
  ['*', 400],
]

describe('what is matched is what is forwarded', () => {
  it.each(spellings)('%s: %s', async (target, expected) => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)], gate: refuseGate() })
    const answer = await get(gateway.port, target)
    // The paid prefix is refused, so nothing of it reaches the upstream; the free one is never what it was taken for.
    expect(answer.status).toBe(expected === 400 ? 400 : 402)
    expect(upstream.seen).toEqual([])
    if (expected === 400) expect(JSON.parse(answer.body)).toMatchObject({ status: 400, code: 'bad_target' })

    const open = await startGateway({ routing: [tableOf(upstream.origin)], gate: passGate() })
    await get(open.port, target)
    expect(upstream.seen.map(({ url }) => url)).toEqual(expected === 400 ? [] : [expected])
  })

  it.each([
    ['/free/x', '/free/x'],
    ['/free/a%20b', '/free/a%20b'],
    ['/free/caf%c3%a9', '/free/caf%C3%A9'],
    ['/free/a;v=1', '/free/a;v=1'],
    ['/free/a|b', '/free/a%7Cb'],
    ['/free/x?a=%2e%2e/../%zz&b=%2F', '/free/x?a=%2e%2e/../%zz&b=%2F'],
    ['/free/x?', '/free/x?'],
    ['/free/', '/free/'],
  ])('%s goes upstream as %s', async (target, url) => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    expect((await get(gateway.port, target)).status).toBe(200)
    expect(upstream.seen.map((seen) => seen.url)).toEqual([url])
  })

  it('a path that no route names is 404 and goes nowhere', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(upstream.origin, ['GET /free/*'])] })
    for (const target of ['/', '/free', '/FREE/x', '/other']) {
      const answer = await get(gateway.port, target)
      expect(answer.status).toBe(404)
      expect(JSON.parse(answer.body)).toMatchObject({
        type: 'urn:turnpike:problem:no_route',
        code: 'no_route',
      })
    }
    for (const method of ['POST', 'PROPFIND', 'M-SEARCH', 'QUERY']) {
      const body = `${method} /free/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
      expect((await sendRaw(gateway.port, body)).status).toBe(404)
    }
    expect(upstream.seen).toEqual([])
  })

  it('HEAD is gated as GET and has no body', async () => {
    const upstream = await startUpstream()
    const routing = [tableOf(upstream.origin, ['GET /paid/*', 'GET /free/*'])]
    const gateway = await startGateway({ routing, gate: refuseGate() })
    const head = 'HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    const refused = await sendRaw(gateway.port, `HEAD /paid/x ${head}`)
    expect(refused).toMatchObject({ status: 402, body: '' })
    expect(refused.head).toContain('WWW-Authenticate: L402 macaroon="M"')
    expect(upstream.seen).toEqual([])
    const passed = await sendRaw(gateway.port, `HEAD /free/x ${head}`)
    expect(passed).toMatchObject({ status: 200, body: '' })
    expect(passed.head).toContain('Content-Type: application/json')
    expect(upstream.seen.map(({ method }) => method)).toEqual(['HEAD'])
  })

  it('an encoded slash passes only on a route that asks for it', async () => {
    const upstream = await startUpstream()
    const taking = tableOf(upstream.origin, ['/paid/projects/*'], { allowEncodedSlash: true })
    const others = tableOf(upstream.origin, ['/free/*'])
    const routing = [
      { ...taking, hosts: ['a.test'] },
      { ...others, hosts: ['b.test'] },
    ]
    const gateway = await startGateway({ routing })
    const ask = (host: string, target: string): Promise<{ status: number }> =>
      sendRaw(gateway.port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    expect((await ask('a.test', '/paid/projects/a%2fb/issues')).status).toBe(200)
    expect((await ask('a.test', '/paid/projects/a%2f../b')).status).toBe(400)
    expect((await ask('a.test', '/paid/projects/a%2f..%2fb')).status).toBe(400)
    expect((await ask('a.test', '/paid/other/a%2fb')).status).toBe(400)
    expect((await ask('b.test', '/free/a%2fb')).status).toBe(400)
    expect(upstream.seen.map(({ url }) => url)).toEqual(['/paid/projects/a%2Fb/issues'])
  })
})

describe('the host', () => {
  const ask = (port: number, lines: string, version = '1.1'): Promise<{ status: number; body: string }> =>
    sendRaw(port, `GET /free/x HTTP/${version}\r\n${lines}Connection: close\r\n\r\n`)

  it('must be named once and be a host, even where none is configured', async () => {
    const upstream = await startUpstream()
    const gateway = await startGateway({ routing: [tableOf(upstream.origin)] })
    for (const lines of [
      '',
      'Host:\r\n',
      'Host: a\r\nHost: a\r\n',
      'Host: a\r\nhOST: b\r\n',
      'Host: a b\r\n',
    ]) {
      expect((await ask(gateway.port, lines)).status, lines).toBe(400)
    }
    for (const host of ['a/b', 'a@b', 'http://a', 'a:b', 'a:123456', '[::1', 'a,b c', '"a"', 'a\\b', 'a?b']) {
      const answer = await ask(gateway.port, `Host: ${host}\r\n`)
      expect(answer.status, host).toBe(400)
      expect(JSON.parse(answer.body)).toMatchObject({ code: 'bad_request' })
    }
    expect(upstream.seen).toEqual([])
    expect((await ask(gateway.port, '', '1.0')).status).toBe(200)
    for (const host of ['a', 'A.test:8402', '127.0.0.1', '[::1]:80']) {
      expect((await ask(gateway.port, `Host: ${host}\r\n`)).status, host).toBe(200)
    }
  })

  it('decides by exact name and port where hosts are configured', async () => {
    const one = await startUpstream()
    const two = await startUpstream()
    const routing = [
      { ...tableOf(one.origin), hosts: ['One.test', 'ported.test:8443', 'web.test:443'] },
      { ...tableOf(two.origin), hosts: ['two.test', '[::1]'] },
    ]
    const gateway = await startGateway({ routing })
    const hits: Record<string, number> = {}
    for (const host of [
      ...[
        'one.test',
        'ONE.test:8402',
        'ported.test:8443',
        'web.test',
        'web.test:443',
        'two.test',
        '[::1]:8402',
      ],
      ...[
        'xone.test',
        'one.test.',
        'a.one.test',
        'ported.test',
        'ported.test:1',
        'web.test:80',
        'one',
        '127.0.0.1',
      ],
    ]) {
      hits[host] = (await ask(gateway.port, `Host: ${host}\r\n`)).status
    }
    expect(hits).toEqual({
      ...{
        'one.test': 200,
        'ONE.test:8402': 200,
        'ported.test:8443': 200,
        'web.test': 200,
        'web.test:443': 200,
      },
      ...{ 'two.test': 200, '[::1]:8402': 200, 'xone.test': 404, 'one.test.': 404, 'a.one.test': 404 },
      ...{ 'ported.test': 404, 'ported.test:1': 404, 'web.test:80': 404, one: 404, '127.0.0.1': 404 },
    })
    expect((await ask(gateway.port, '', '1.0')).status).toBe(400)
    expect([one.seen.length, two.seen.length]).toEqual([5, 2])
  })

  it('may belong to a table that names none, but not to two', async () => {
    const one = await startUpstream()
    const two = await startUpstream()
    const routing = [{ ...tableOf(one.origin), hosts: ['one.test'] }, tableOf(two.origin)]
    const gateway = await startGateway({ routing })
    await ask(gateway.port, 'Host: one.test\r\n')
    await ask(gateway.port, 'Host: other.test\r\n')
    expect([one.seen.length, two.seen.length]).toEqual([1, 1])
    const twice = [...routing, { ...tableOf(two.origin), hosts: ['ONE.test'] }]
    expect(() => gateway.dataPlane.swap(twice)).toThrow('the host one.test is in two route tables')
    expect(() => gateway.dataPlane.swap([tableOf(one.origin), tableOf(two.origin)])).toThrow(TypeError)
    expect((await ask(gateway.port, 'Host: one.test\r\n')).status).toBe(200)
  })
})
