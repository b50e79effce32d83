/** The processes of the proxy benchmark: an upstream, the gateway, nginx. Everything on free loopback ports. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeInvoice, findL402Challenges, formatCredential } from '@turnpike/l402'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'

/** A started process. */
export interface Peer {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** A started gateway, with its admin listener. */
export interface GatewayPeer extends Peer {
  readonly admin: string
}

// The load and the upstream share one core, the proxy has another to itself, where the machine can pin.
const canPin = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0
const pinned = (core: number, command: string, args: readonly string[]): [string, string[]] =>
  canPin ? ['taskset', ['-c', String(core), command, ...args]] : [command, [...args]]

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

function peer(child: ChildProcess, url: string, cleanUp: () => void = () => {}): Peer {
  if (child.pid === undefined) throw new Error(`could not start ${child.spawnfile}`)
  return {
    url,
    pid: child.pid,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      cleanUp()
    },
  }
}

async function until<T>(what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const found = await probe()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`waited 30 s for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The API that is sold. */
export async function startUpstream(): Promise<Peer> {
  const [command, args] = pinned(0, process.execPath, [file('./upstream-process.ts')])
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = await once(child.stdout, 'data')
  return peer(child, `http://127.0.0.1:${String(port).trim()}`)
}

/** A gateway on the sandbox with a free route, a pass and a very large bundle. */
export async function startGateway(upstream: string): Promise<GatewayPeer> {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-bench-'))
  writeFileSync(
    join(folder, 'turnpike.yaml'),
    `listen: 127.0.0.1:0
lightning: { backend: sandbox }
store: sqlite:bench.db
admin: { listen: 127.0.0.1:0 }
challenges: { limit: 60/1m, exempt: [127.0.0.1/32] }
services:
  bench:
    upstream: ${upstream}
    routes:
      - { match: "/free/*", free: true }
      - { match: "/pass/*", price: 10 sat, grants: { valid: 7d } }
      - { match: "/bundle/*", price: 10 sat, grants: { calls: 1000000000 } }
`,
  )
  const ready = join(folder, 'ready.json')
  const bin = file('../../packages/gateway/bin/turnpike.js')
  const [command, args] = pinned(1, process.execPath, [
    bin,
    'serve',
    '--sandbox',
    '-c',
    'turnpike.yaml',
    '--ready-file',
    ready,
  ])
  const child = spawn(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk) => {
    log = (log + chunk).slice(-4000)
  })
  const { listen, admin } = await until('the gateway', () => {
    if (child.exitCode !== null) throw new Error(`the gateway ended:\n${log}`)
    return existsSync(ready)
      ? (JSON.parse(readFileSync(ready, 'utf8')) as { listen: [string]; admin: string })
      : undefined
  })
  const started = peer(child, listen[0], () => rmSync(folder, { recursive: true, force: true }))
  return { ...started, admin }
}

/** nginx as a plain reverse proxy with keep-alive both ways, one worker; `undefined` where it is not installed. */
export async function startNginx(upstream: string): Promise<Peer | undefined> {
  if (spawnSync('nginx', ['-v']).status !== 0) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-nginx-'))
  const port = await freePort()
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr crit;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream api { server ${new URL(upstream).host}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`,
  )
  const [command, args] = pinned(1, 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')])
  const child = spawn(command, args, { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  await until('nginx', async () => (await fetch(url).catch(() => undefined)) ?? undefined)
  return peer(child, url, () => rmSync(folder, { recursive: true, force: true }))
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

/** Buys what a path of the gateway sells; the value of `Authorization`. */
export async function buyCredential(gateway: GatewayPeer, path: string): Promise<string> {
  const refused = await fetch(gateway.url + path)
  const [challenge] = findL402Challenges([refused.headers.get('www-authenticate') ?? ''])
  if (challenge === undefined) throw new Error(`no challenge for ${path}: ${refused.status}`)
  const { paymentHash, amountMsat } = decodeInvoice(challenge.invoice)
  const paid = await sandboxWallet({ url: gateway.admin }).pay({
    invoice: challenge.invoice,
    paymentHash,
    amountMsat: amountMsat ?? 0n,
    maxFeeMsat: 1000n,
    timeoutMs: 10_000,
  })
  if (paid.status !== 'paid') throw new Error(`could not pay: ${paid.status}`)
  return formatCredential(challenge.macaroon, paid.preimage)
}
