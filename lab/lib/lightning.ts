/** The lab's Lightning network, and wallets and sellers on its nodes. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { lightningCases, type MakeLightning } from '@turnpike/l402/lightning/testing'
import { afterAll, describe, it } from 'vitest'
import { type CameOf, recordKit, type TestedKind } from './lightning-record.ts'
import { reconnecting } from './reconnecting.ts'

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
  /** Where other nodes find it. */
  readonly p2p: string
  call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>
}

/** Nodes with channels. */
export interface LabNetwork {
  readonly dir: string
  /** The chain's RPC, which further nodes need. */
  readonly chain: {
    readonly rpc: string
    readonly user: string
    readonly pass: string
    readonly cert: string
  }
  mine(blocks: number): Promise<unknown>
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

/** A port may be taken in between, or a node not come up on a busy machine: neither is what a suite is about. */
const STARTS = 3

/** Starts a network; about a minute. Throws what the last start threw. */
export async function startNetwork(): Promise<LabNetwork> {
  const module = (await import(pathToFileURL(join(lab, 'lightning.mjs')).href)) as {
    startLightning(): Promise<LabNetwork>
  }
  for (let left = STARTS - 1; ; left--) {
    try {
      return reconnecting(await module.startLightning())
    } catch (error) {
      if (left === 0) throw error
      console.log(`the lab's nodes did not start (${String(error)}); once more`)
    }
  }
}

/** What a macaroon that can pay allows. */
export const PAY_URIS = [
  '/lnrpc.Lightning/GetInfo',
  '/lnrpc.Lightning/ChannelBalance',
  '/routerrpc.Router/SendPaymentV2',
  '/routerrpc.Router/TrackPaymentV2',
] as const

/** Bakes a macaroon that can pay, and nothing else; answers its file. `without`: not even that. */
export async function bakePayMacaroon(node: LabNode, folder: string, without?: string): Promise<string> {
  const permissions = PAY_URIS.filter((uri) => uri !== without).map((action) => ({ entity: 'uri', action }))
  const { macaroon } = await node.call('POST', '/v1/macaroon', { permissions })
  const lacks = without === undefined ? '' : `-without-${without.split('/').at(-1)}`
  const file = join(folder, `${node.name}-pay${lacks}.macaroon`)
  writeFileSync(file, Buffer.from(String(macaroon), 'hex'), { mode: 0o600 })
  return file
}

/** The hex of a secret file: what no message may hold. */
export const hexOf = (file: string): string => readFileSync(file).toString('hex')

/** What the kit is run on. */
interface Conformance extends Pick<TestedKind, 'backend' | 'role'> {
  readonly name: string
  /** The program with its version, once it runs. */
  readonly on: () => string
}

/** Runs the kit on a backend. A case that does not apply is named as skipped, with its reason. */
export function describeConformance({ name, on, ...kind }: Conformance, make: MakeLightning): void {
  describe(name, () => {
    const cases = lightningCases(make)
    const came = new Map<string, CameOf>()
    for (const one of cases)
      it(one.name, async (context) => {
        came.set(one.name, 'failed')
        const reason = await one.run()
        came.set(one.name, reason === undefined ? null : { notFor: reason })
        if (reason !== undefined) context.skip(reason)
      })
    afterAll(() => {
      // A part of the kit (`-t`) says nothing.
      if (came.size === cases.length) recordKit({ ...kind, on: on() }, Object.fromEntries(came))
    })
  })
}

/** The version of a node's lnd, such as `lnd 0.21.0-beta`. */
export async function versionOf(node: LabNode): Promise<string> {
  const { version } = await node.call('GET', '/v1/getinfo')
  return `lnd ${/^[\w.-]+/.exec(String(version))?.[0] ?? 'of an unknown version'}`
}
