/** The lab's Lightning network, and wallets and sellers on its nodes. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type ConformanceCase, lightningCases, type MakeLightning } from '@turnpike/l402/lightning/testing'
import { describe, it } from 'vitest'

/** One lnd node. */
export interface LabNode {
  readonly name: string
  readonly rest: string
  /** File of its certificate. */
  readonly tls: string
  readonly adminMacaroon: string
  readonly invoiceMacaroon: string
  readonly readonlyMacaroon: string
  readonly pubkey: string
  call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>
}

/** Nodes with channels. */
export interface LabNetwork {
  readonly dir: string
  readonly nodes: { readonly seller: LabNode; readonly buyer: LabNode }
  pay(node: string, invoice: string): Promise<{ readonly preimage: string }>
  stop(name: string): Promise<void>
  kill(name: string): Promise<void>
  start(name: string): Promise<void>
  close(): Promise<void>
}

/** The lab's folder. */
export const lab: string = resolve(
  import.meta.dirname,
  '../..',
  process.env['TURNPIKE_LAB'] ?? '../shared/lab',
)
export const hasLab: boolean = existsSync(join(lab, 'lightning.mjs'))

/** Starts a network; about a minute. */
export async function startNetwork(): Promise<LabNetwork> {
  const module = (await import(pathToFileURL(join(lab, 'lightning.mjs')).href)) as {
    startLightning(): Promise<LabNetwork>
  }
  return await module.startLightning()
}

/** Bakes a macaroon that can pay, and nothing else; answers its file. */
export async function bakePayMacaroon(node: LabNode, folder: string): Promise<string> {
  const uris = [
    '/lnrpc.Lightning/GetInfo',
    '/lnrpc.Lightning/ChannelBalance',
    '/routerrpc.Router/SendPaymentV2',
    '/routerrpc.Router/TrackPaymentV2',
  ]
  const permissions = uris.map((action) => ({ entity: 'uri', action }))
  const { macaroon } = await node.call('POST', '/v1/macaroon', { permissions })
  const file = join(folder, `${node.name}-pay.macaroon`)
  writeFileSync(file, Buffer.from(String(macaroon), 'hex'), { mode: 0o600 })
  return file
}

/** The hex of a secret file: what no message may hold. */
export const hexOf = (file: string): string => readFileSync(file).toString('hex')

/** Runs the kit on a backend. A case that does not apply is named as skipped, with its reason. */
export function describeConformance(name: string, make: MakeLightning): void {
  describe(name, () => {
    for (const one of lightningCases(make)) it(one.name, (context) => runCase(one, context.skip))
  })
}

async function runCase(one: ConformanceCase, skip: (reason: string) => void): Promise<void> {
  const reason = await one.run()
  if (reason !== undefined) skip(reason)
}
