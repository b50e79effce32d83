import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { addressBlocks, buildRouting, openLightning } from './assemble.ts'
import { parseConfig } from './config/load.ts'
import type { ProxyRoute } from './proxy/index.ts'

const where = { file: 'turnpike.yaml', folder: '/', env: {}, sandbox: true }

describe('the route tables', () => {
  it('hold the routes of services for one host in the order written', () => {
    const config = parseConfig(
      `services:
  a: { upstream: "http://127.0.0.1:9000/base", hosts: [a.example, both.example], routes: [{ match: /x, price: 1 sat, capability: c, memo: m }] }
  b: { upstream: sample, hosts: both.example, timeout: 5s, forwardCredential: true, routes: [{ match: /*, free: true }] }
  c: { upstream: sample, routes: [{ match: "GET ~/v[12]/x", price: 2 sat, keepOverrideHeaders: true, allowEncodedSlash: true, timeout: 1s }] }
`,
      where,
    )
    const routing = buildRouting(config, 'http://127.0.0.1:7000')
    expect(routing.map(({ hosts, routes }) => [hosts, routes.routes.map((route) => route.source)])).toEqual([
      [['a.example'], ['/x']],
      [['both.example'], ['/x', '/*']],
      [undefined, ['GET ~/v[12]/x']],
    ])
    expect(routing[1]?.routes.match('GET', '/x')?.value).toEqual({
      terms: {
        service: 'a',
        name: '/x',
        free: false,
        priceMsat: 1000n,
        grants: { calls: 1 },
        capability: 'c',
        memo: 'm',
      },
      upstream: { origin: 'http://127.0.0.1:9000', basePath: '/base' },
      timeoutMs: 30_000,
      forwardCredential: false,
      allowEncodedSlash: false,
      keepOverrideHeaders: false,
    })
    expect(routing[1]?.routes.match('GET', '/y')?.value).toMatchObject({
      upstream: { origin: 'http://127.0.0.1:7000', basePath: '' },
      timeoutMs: 5000,
      forwardCredential: true,
    })
    const versioned = routing[2]?.routes
    expect(versioned?.match('HEAD', '/v2/x')?.value).toMatchObject({
      keepOverrideHeaders: true,
      timeoutMs: 1000,
    })
    // An expression has to match the whole path.
    for (const path of ['/v2/x/y', '/a/v2/x', '/v3/x']) expect(versioned?.match('GET', path)).toBeUndefined()
    expect(versioned?.match('POST', '/v2/x')).toBeUndefined()
  })
})

it('gives routes the memo of their service, where they have none of their own and sell something', () => {
  const config = parseConfig(
    `services:
  a: { upstream: sample, memo: "{service} {path}", routes: [{ match: /x, price: 1 sat }, { match: /y, price: 1 sat, memo: own }, { match: /z, free: true }] }
`,
    where,
  )
  const routes = buildRouting(config, 'http://127.0.0.1:7000')[0]?.routes
  const memos = ['/x', '/y', '/z'].map((path) => routes?.match('GET', path)?.value.terms.memo)
  expect(memos).toEqual(['{service} {path}', 'own', undefined])
})

describe('exempt blocks', () => {
  it('hold IPv4 addresses in either spelling, IPv6 ones, and nothing that is no address', () => {
    const exempt = addressBlocks(['10.0.0.0/8', '2001:db8::/48'])
    expect(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1'].map(exempt)).toEqual([true, true, true])
    expect(['11.1.2.3', '::ffff:11.1.2.3', '2001:db9::1', '', 'x'].map(exempt)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ])
  })
})

describe('where a service’s requests go', () => {
  const routeOf = (service: string): ProxyRoute | undefined => {
    const text = `services: { a: { ${service}, routes: [{ match: /v1/x, price: 1 sat, matchHeaders: { X-A: b } }] } }\nlightning: sandbox\n`
    return buildRouting(parseConfig(text, where), 'http://127.0.0.1:7000')[0]?.routes.routes[0]?.value
  }

  it('is one upstream with the short way, unless it is watched or retried', () => {
    const plain = routeOf('upstream: "http://a.example/base", rewrite: { prefix: /api, stripPrefix: /v1 }')
    expect(plain).toMatchObject({
      upstream: { origin: 'http://a.example', basePath: '/base/api' },
      stripPrefix: '/v1',
      terms: { name: '/v1/x [x-a]' },
    })
    expect(plain).not.toHaveProperty('group')
    expect(routeOf('upstream: sample, health: { path: /h }')?.group).toMatchObject({
      service: 'a',
      targets: [{ origin: 'http://127.0.0.1:7000', basePath: '' }],
      retries: 0,
      health: { path: '/h' },
    })
    expect(routeOf('upstream: sample, retries: 1')?.group).toMatchObject({ retries: 1 })
  })

  it('is a group with several, each below the prefix', () => {
    expect(
      routeOf('upstream: ["http://a.example/x", "http://b.example"], rewrite: { prefix: /api }'),
    ).toMatchObject({
      upstream: { basePath: '' },
      group: {
        balance: 'round-robin',
        retries: 1,
        targets: [
          { origin: 'http://a.example', basePath: '/x/api' },
          { origin: 'http://b.example', basePath: '/api' },
        ],
      },
    })
  })

  it('is a folder', () => {
    expect(routeOf('static: /, bodyLimit: 1 KiB')).toMatchObject({ files: '/', bodyLimit: 1024 })
  })
})

describe('Lightning backends that are opened', () => {
  /** A phoenixd that lets everybody pay. */
  async function startNode(chain = 'regtest'): Promise<string> {
    const server = createServer((request, response) => {
      const known = request.url === '/getinfo'
      response.writeHead(known ? 200 : 400).end(JSON.stringify(known ? { chain } : {}))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  const reading = (lightning: string, network = '') =>
    parseConfig(
      `${network}lightning: ${lightning}
services: { a: { upstream: sample, routes: [{ match: /x, price: 1 sat }] } }
`,
      { ...where, env: { PASSWORD: 'p' }, sandbox: false },
    )

  it('have their warnings told, alone and among several', async () => {
    const host = await startNode()
    const one = `{ backend: phoenixd, url: "http://${host}", password: "\${PASSWORD}" }`
    for (const lightning of [one, `[${one}, ${one}]`]) {
      const told: string[] = []
      const warn = (message: string): void => void told.push(message)
      const { invoices } = await openLightning(reading(lightning), { env: {}, warn })
      await invoices.close()
      expect(new Set(told)).toEqual(
        new Set([
          `phoenixd at ${host}: its password can also pay; http-password-limited-access is enough to sell, and whoever steals it can spend nothing`,
        ]),
      )
    }
  })

  it('are a fault of the file where they are on another network than it says, or on several', async () => {
    const [host, other] = [await startNode(), await startNode('mainnet')]
    const on = (at: string): string => `{ backend: phoenixd, url: "http://${at}", password: "\${PASSWORD}" }`
    const open = (lightning: string, network: string) =>
      openLightning(reading(lightning, network), { env: {}, warn: () => {} })
    const said = `turnpike.yaml:2:12: lightning: phoenixd at ${host} is on regtest, expected mainnet as "network" says`
    await expect(open(on(host), 'network: mainnet\n')).rejects.toMatchObject({ exitCode: 78, message: said })
    await expect(open(`[${on(other)}, ${on(host)}]`, 'network: mainnet\n')).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringContaining(`phoenixd at ${host} is on regtest, expected mainnet`),
    })
    await expect(open(`[${on(other)}, ${on(host)}]`, '')).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/^turnpike.yaml:1:\d+: .*on different networks \(mainnet, regtest\)/),
    })
  })

  it('have what they cannot be set up with told by its place', async () => {
    const config = reading(`{ backend: lnd, url: "https://127.0.0.1:9", macaroon: "\${PASSWORD}" }`)
    await expect(openLightning(config, { env: {}, warn: () => {} })).rejects.toMatchObject({
      exitCode: 78,
      message: 'turnpike.yaml:1:12: lightning: lnd: macaroon: expected hex digits',
    })
  })
})
