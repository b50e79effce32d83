/**
 * One framework with three routes that answer the same: bare, `pass` (a time pass) and `call` (counted). Takes its name from
 * the command line, writes `{"protocol":…,"bare":{"url":…},"pass":{"url":…,"authorization":…},"call":…}`.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import * as grpc from '@grpc/grpc-js'
import {
  decodeBase64,
  decodeIdentifier,
  decodeMacaroon,
  findL402Challenges,
  formatCredential,
} from '@turnpike/l402'
import { rpcServers } from './adapter-rpc-servers.ts'
import { httpServers } from './adapter-servers.ts'
import { lightning } from './adapter-terms.ts'
import type { LoadOptions } from './load.ts'

/** What the load is told of a route. */
export type AdapterRoute = Pick<LoadOptions, 'url' | 'authorization'>

/** What is measured, and how it is asked. */
export interface AdapterRoutes extends Readonly<Record<'bare' | 'pass' | 'call', AdapterRoute>> {
  readonly protocol: 'h1' | 'grpc'
}

async function pay(challenges: string): Promise<string> {
  const [challenge] = findL402Challenges([challenges])
  const { macaroon = '', invoice = '' } = challenge ?? {}
  const { identifier } = decodeMacaroon(decodeBase64(macaroon) as Uint8Array)
  const { paymentHash } = decodeIdentifier(identifier)
  const terms = { invoice, paymentHash, amountMsat: 1_000n, maxFeeMsat: 0n, timeoutMs: 5_000 }
  const paid = await lightning.pay(terms)
  if (paid.status !== 'paid') throw new Error(paid.status)
  return formatCredential(macaroon, paid.preimage)
}

async function buy(url: string): Promise<AdapterRoute> {
  const { headers } = await fetch(url)
  return { url, authorization: await pay(headers.get('www-authenticate') ?? '') }
}

async function buyCall(url: string): Promise<AdapterRoute> {
  const { host, pathname } = new URL(url)
  const client = new grpc.Client(host, grpc.credentials.createInsecure())
  const asIs = (bytes: Buffer): Buffer => bytes
  const challenges = await new Promise<string>((resolve) => {
    client.makeUnaryRequest(pathname, asIs, asIs, Buffer.alloc(0), (error) =>
      resolve(String(error?.metadata.get('www-authenticate')[0])),
    )
  })
  client.close()
  return { url, authorization: await pay(challenges) }
}

async function openHttp(name: string): Promise<AdapterRoutes | undefined> {
  const server = await httpServers[name]?.()
  if (server === undefined) return undefined
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    protocol: 'h1',
    bare: { url: `${url}/bare` },
    pass: await buy(`${url}/pass`),
    call: await buy(`${url}/counted`),
  }
}

async function openRpc(name: string): Promise<AdapterRoutes | undefined> {
  const targets = await rpcServers[name]?.()
  if (targets === undefined) return undefined
  const url = ({ port, path }: { port: number; path: string }): string => `http://127.0.0.1:${port}${path}`
  return {
    protocol: 'grpc',
    bare: { url: url(targets.bare) },
    pass: await buyCall(url(targets.pass)),
    call: await buyCall(url(targets.call)),
  }
}

const name = process.argv[2] ?? ''
const routes = (await openHttp(name)) ?? (await openRpc(name))
if (routes === undefined) {
  const names = [...Object.keys(httpServers), ...Object.keys(rpcServers)]
  throw new Error(`expected one of ${names.join(', ')}`)
}
console.log(JSON.stringify(routes))
