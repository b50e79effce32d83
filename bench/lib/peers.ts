/** The processes of the proxy benchmark: an upstream, the gateway, nginx. Everything on free loopback ports. */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeInvoice, findL402Challenges, formatCredential } from '@turnpike/l402'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import { endChild, makeFolder, removeFolder, spawnChild } from './clean-up.ts'
import { pinned } from './cores.ts'

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

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

function peer(child: ChildProcess, url: string, folder?: string): Peer {
  if (child.pid === undefined) throw new Error(`could not start ${child.spawnfile}`)
  return {
    url,
    pid: child.pid,
    stop: async () => {
      await endChild(child)
      if (folder !== undefined) removeFolder(folder)
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

/** The end of what a child says on standard error, for when it does not start. */
function lastWords(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.on('data', (chunk) => {
    text = (text + chunk).slice(-4000)
  })
  return () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${child.spawnargs.join(' ')} ended:\n${text}`)
    return text
  }
}

/** The API that is sold. */
export async function startUpstream(): Promise<Peer> {
  const [command, args] = pinned('upstream', process.execPath, [file('./upstream-process.ts')])
  const child = spawnChild(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const check = lastWords(child)
  let port = ''
  child.stdout?.on('data', (chunk) => {
    port += chunk
  })
  await until('the upstream', () => {
    check()
    return port.endsWith('\n') ? true : undefined
  })
  return peer(child, `http://127.0.0.1:${port.trim()}`)
}

/** What a gateway is to be like. */
export interface GatewaySettings {
  /** For profiling. */
  readonly nodeArgs?: readonly string[]
  /** `lightning:` of the configuration; left out: the sandbox. */
  readonly lightning?: string
  /** `challenges:` of the configuration. */
  readonly challenges?: string
}

/** A gateway with a free route, a pass and a very large bundle. */
export async function startGateway(upstream: string, settings: GatewaySettings = {}): Promise<GatewayPeer> {
  const { nodeArgs = [], lightning, challenges = '{ limit: 60/1m, exempt: [127.0.0.1/32] }' } = settings
  const folder = makeFolder()
  writeFileSync(
    join(folder, 'turnpike.yaml'),
    `listen: 127.0.0.1:0
lightning: ${lightning ?? '{ backend: sandbox }'}
store: sqlite:bench.db
admin: { listen: 127.0.0.1:0 }
challenges: ${challenges}
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
  if (lightning !== undefined) spawnSync(process.execPath, [bin, 'keys', 'new'], { cwd: folder })
  const play = lightning === undefined ? ['--sandbox'] : []
  const serve = [bin, 'serve', ...play, '-c', 'turnpike.yaml', '--ready-file', ready]
  const [command, args] = pinned('proxy', process.execPath, [...nodeArgs, ...serve])
  const child = spawnChild(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const check = lastWords(child)
  const { listen, admin } = await until('the gateway', () => {
    check()
    if (!existsSync(ready)) return undefined
    return JSON.parse(readFileSync(ready, 'utf8')) as { listen: [string]; admin: string }
  })
  return { ...peer(child, listen[0], folder), admin }
}

/** nginx as a plain reverse proxy with keep-alive both ways, one process; `undefined` where it is not installed. */
export async function startNginx(upstream: string): Promise<Peer | undefined> {
  if (spawnSync('nginx', ['-v']).status !== 0) return undefined
  const folder = makeFolder()
  const port = await freePort()
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit;
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
  const [command, args] = pinned('proxy', 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')])
  const child = spawnChild(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const check = lastWords(child)
  const url = `http://127.0.0.1:${port}`
  await until('nginx', async () => {
    check()
    return (await fetch(url).catch(() => undefined)) ?? undefined
  })
  return peer(child, url, folder)
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
