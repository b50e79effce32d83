/** The built gateway beside the reverse proxies that people have: nginx as its upstream and in front of it, Caddy in front. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ask, sendRaw } from '../packages/gateway/test/e2e/client.ts'
import { CLOSE, request, spellings } from '../packages/gateway/test/e2e/hostile-requests.ts'
import { type Bought, buy, cleanUp, type Program } from '../packages/gateway/test/e2e/program.ts'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'
import { callGrpc, grpcClient, startGrpcServer } from '../packages/gateway/test/proxy/grpc.ts'
import { closeAll } from '../packages/gateway/test/proxy/harness.ts'
import { payGrpc } from './lib/grpc-payment.ts'
import { endPrograms, freePort, installed, startProgram, titled } from './lib/programs.ts'
import { openShop, usedOf } from './lib/shop.ts'

const there = { nginx: installed('nginx', '-v'), caddy: installed('caddy', 'version') }
const folders: string[] = []

afterEach(async () => {
  await endPrograms()
  await closeAll()
})
afterAll(async () => {
  await cleanUp()
  await closeUpstreams()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function folderOf(file: string, text: (folder: string) => string): string {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-lab-'))
  folders.push(folder)
  writeFileSync(join(folder, file), text(folder))
  return folder
}

/** nginx with these servers. */
async function startNginx(port: number, servers: string): Promise<void> {
  const folder = folderOf(
    'nginx.conf',
    (at) => `daemon off; master_process off; pid ${at}/nginx.pid; error_log stderr crit;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path ${at}/body; proxy_temp_path ${at}/proxy; fastcgi_temp_path ${at}/f; uwsgi_temp_path ${at}/u; scgi_temp_path ${at}/s;
${servers}
}
`,
  )
  await startProgram('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { port })
}

async function startCaddy(port: number, sites: string): Promise<void> {
  const options = '{\n  admin off\n  auto_https off\n  servers {\n    protocols h1 h2 h2c\n  }\n}\n'
  const folder = folderOf('Caddyfile', () => options + sites)
  const home = { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  await startProgram('caddy', ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
    port,
    env: home,
  })
}

describe.skipIf(!there.nginx)(titled('nginx as the upstream', 'nginx', there.nginx), () => {
  it('answers from the prefix that was matched, however the path is spelled', async () => {
    const port = await freePort()
    const places = ['free', 'paid', 'pass']
      .map((name) => `    location /${name}/ { return 200 ${name}; }`)
      .join('\n')
    await startNginx(
      port,
      `  server {\n    listen 127.0.0.1:${port};\n${places}\n    location / { return 200 other; }\n  }`,
    )
    const gateway = await openShop(`http://127.0.0.1:${port}`)
    for (const [target, statuses] of spellings) {
      const { statuses: got, text } = await sendRaw(gateway.port, request(target))
      expect([target, got]).toEqual([target, statuses])
      expect(text).not.toMatch(/\r\n\r\n(paid|pass|other)/)
    }
    const { authorization } = await buy(gateway, '/pass/x')
    for (const path of ['/pass/x', '/free/../pass/x', '//pass/./x', '/%70ass/x']) {
      const lines = `${CLOSE}Authorization: ${authorization}\r\n`
      const { statuses, text } = await sendRaw(gateway.port, request(path, lines))
      expect([path, statuses, text.endsWith('pass')]).toEqual([path, [200], true])
    }
  })
})

/** What is the same whoever stands in front. */
function inFront(start: (port: number, gateway: Program) => Promise<void>): void {
  let upstream: Upstream
  let gateway: Program
  let front: string
  let bundle: Bought
  beforeAll(async () => {
    upstream = await startUpstream((req, res) => {
      if (req.url?.startsWith('/free/events') !== true) return void req.on('end', () => res.end('ok'))
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      res.write('data: first\n\n')
      later = () => void res.end('data: last\n\n')
    })
    gateway = await openShop(upstream.origin, { top: 'trustedProxies: [127.0.0.1/32]' })
  })
  let later = (): void => {}

  it('a purchase through it: refused, paid, served, counted once each; the client is known by its own address', async () => {
    const port = await freePort()
    front = `http://127.0.0.1:${port}`
    await start(port, gateway)
    bundle = await buy({ url: front, admin: gateway.admin }, '/paid/x')
    expect(upstream.seen).toEqual([])
    const headers = { Authorization: bundle.authorization, 'X-L402-Token-Id': 'forged' }
    const served = await Promise.all(
      Array.from({ length: 20 }, () => ask(front, 'POST', '/paid/x', { headers, body: 'hello' })),
    )
    expect(served.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
    expect(Math.max(...served.map((answer) => usedOf(answer.header('ratelimit'))))).toBe(20)
    expect(upstream.seen).toHaveLength(20)
    for (const { headers: lines, body } of upstream.seen) {
      expect(lines['x-l402-token-id']).toBe(bundle.tokenId)
      expect(body).toBe('hello')
    }
    // Pieces come through as they are sent.
    const events = await fetch(`${front}/free/events`)
    const reader = events.body?.getReader()
    const first = await reader?.read()
    expect(Buffer.from(first?.value ?? []).toString()).toBe('data: first\n\n')
    later()
    const rest = await reader?.read()
    expect(Buffer.from(rest?.value ?? []).toString()).toBe('data: last\n\n')
  })
}

describe.skipIf(!there.nginx)(titled('nginx in front', 'nginx', there.nginx), () => {
  inFront((port, gateway) =>
    startNginx(
      port,
      `  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${gateway.port};
      proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
    }
  }`,
    ),
  )
})

describe.skipIf(!there.caddy)(titled('Caddy in front', 'caddy', there.caddy), () => {
  inFront((port, gateway) =>
    startCaddy(
      port,
      `http://127.0.0.1:${port} {\n  reverse_proxy 127.0.0.1:${gateway.port} {\n    flush_interval -1\n  }\n}\n`,
    ),
  )
})

describe('gRPC through', () => {
  const fronts: readonly (readonly [string, boolean, (port: number, to: number) => Promise<void>])[] = [
    [
      'nginx',
      there.nginx,
      (port, to) =>
        startNginx(
          port,
          `  server { listen 127.0.0.1:${port} http2; location / { grpc_pass grpc://127.0.0.1:${to}; } }`,
        ),
    ],
    [
      'caddy',
      there.caddy,
      (port, to) =>
        startCaddy(port, `http://localhost:${port} {\n  reverse_proxy h2c://127.0.0.1:${to}\n}\n`),
    ],
  ]
  for (const [name, has, start] of fronts)
    it.skipIf(!has)(
      titled(`${name}: refused by its status, paid, served with its trailers`, name, has),
      async () => {
        const server = await startGrpcServer()
        const gateway = await openShop(`h2c://127.0.0.1:${server.port}`, {
          routes: ['{ match: "/paid.Echo/*", price: 10 sat, grants: { calls: 50 } }'],
        })
        const port = await freePort()
        await start(port, gateway.port)
        const client = grpcClient(port)
        const metadata = await payGrpc(client, gateway)
        const both = await callGrpc(client, 'Both', { parts: ['a', 'b'], metadata })
        expect([both.code, both.parts, both.trailers['x-tail']]).toEqual([0, ['a', 'b'], 'end'])
        expect(server.seen).toHaveLength(1)
      },
    )
})
