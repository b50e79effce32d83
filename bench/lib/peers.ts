/** The upstreams and the gateway of the proxy benchmarks, on free loopback ports, and what is bought from it. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeInvoice, findL402Challenges, formatCredential } from '@turnpike/l402'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import { makeFolder, spawnChild } from './clean-up.ts'
import { pinned } from './cores.ts'
import { lastWords, type Peer, peer, until } from './peer.ts'

/** A started gateway, with its admin listener. */
export interface GatewayPeer extends Peer {
  readonly admin: string
}

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** The API that is sold; its gRPC service is a process of its own. */
export async function startUpstream(kind: 'h1' | 'grpc' = 'h1'): Promise<Peer> {
  const script = kind === 'h1' ? './upstream-process.ts' : './grpc-upstream-process.ts'
  const [command, args] = pinned('upstream', process.execPath, [file(script)])
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
  /** `workers:` of the configuration. */
  readonly workers?: number
  /** Cores it may use; default the proxy's own one. */
  readonly cores?: 'all' | 'own'
  /** Where the gRPC service is. */
  readonly grpc?: string
  /** Folder of another checkout, built, whose gateway it is to be. */
  readonly checkout?: string
}

/** A gateway with a free route, a pass and a very large bundle. */
export async function startGateway(upstream: string, settings: GatewaySettings = {}): Promise<GatewayPeer> {
  const { nodeArgs = [], lightning, challenges = '{ limit: 60/1m, exempt: [127.0.0.1/32] }' } = settings
  const { workers, cores = 'own', grpc, checkout = file('../..') } = settings
  const folder = makeFolder()
  writeFileSync(
    join(folder, 'turnpike.yaml'),
    `listen: 127.0.0.1:0
lightning: ${lightning ?? '{ backend: sandbox }'}
store: sqlite:bench.db
admin: { listen: 127.0.0.1:0 }
challenges: ${challenges}
${workers === undefined ? '' : `workers: ${workers}`}
services:
  bench:
    upstream: ${upstream}
    routes:
      - { match: "/free/*", free: true }
      - { match: "/pass/*", price: 10 sat, grants: { valid: 7d } }
      - { match: "/bundle/*", price: 10 sat, grants: { calls: 1000000000 } }
${grpc === undefined ? '' : grpcService(grpc)}`,
  )
  const ready = join(folder, 'ready.json')
  const bin = join(checkout, 'packages/gateway/bin/turnpike.js')
  if (lightning !== undefined) spawnSync(process.execPath, [bin, 'keys', 'new'], { cwd: folder })
  const play = lightning === undefined ? ['--sandbox'] : []
  const serve = [bin, 'serve', ...play, '-c', 'turnpike.yaml', '--ready-file', ready]
  const node = [...nodeArgs, ...serve]
  const [command, args] = cores === 'all' ? [process.execPath, node] : pinned('proxy', process.execPath, node)
  const child = spawnChild(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const check = lastWords(child)
  const { listen, admin } = await until('the gateway', () => {
    check()
    if (!existsSync(ready)) return undefined
    return JSON.parse(readFileSync(ready, 'utf8')) as { listen: [string]; admin: string }
  })
  return { ...peer(child, listen[0], folder), admin }
}

const grpcService = (upstream: string): string => `  calls:
    upstream: ${upstream.replace('http:', 'h2c:')}
    routes:
      - { match: "/bench.Free/*", free: true }
      - { match: "/bench.Paid/*", price: 10 sat, grants: { valid: 7d } }
`

/** What a seller asks for a path. */
export async function challengeOf(
  seller: Pick<Peer, 'url'>,
  path: string,
): Promise<{ readonly macaroon: string; readonly invoice: string }> {
  const refused = await fetch(seller.url + path)
  const [challenge] = findL402Challenges([refused.headers.get('www-authenticate') ?? ''])
  if (challenge === undefined) throw new Error(`no challenge for ${path}: ${refused.status}`)
  return challenge
}

/** Buys what a path of a gateway with a sandbox sells; the value of `Authorization`. */
export async function buyCredential(gateway: GatewayPeer, path: string): Promise<string> {
  const challenge = await challengeOf(gateway, path)
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
