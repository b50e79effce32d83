/** The lab with real lnd nodes, where there is one: `TURNPIKE_LAB` names its folder. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** One lnd node: where it is, and files of its secrets. */
export interface LabNode {
  readonly rest: string
  readonly grpc: string
  readonly tls: string
  readonly macaroonDir: string
  readonly invoiceMacaroon: string
}

/** Two nodes with a channel. */
export interface LabNetwork {
  readonly nodes: { readonly seller: LabNode }
  /** Pays an invoice; the preimage is hex. */
  pay(node: string, invoice: string): Promise<{ readonly preimage: string }>
  close(): Promise<void>
}

/** The lab's folder. */
export const lab: string = resolve(
  import.meta.dirname,
  '../..',
  process.env['TURNPIKE_LAB'] ?? '../shared/lab',
)

/** Ends this process where there is no lab, and says so. */
export function needLab(what: string): void {
  if (existsSync(join(lab, 'lightning.mjs'))) return
  console.log(`SKIPPED: there is no lab with ${what} (TURNPIKE_LAB names its folder)`)
  process.exit(0)
}

/** Starts a network; about a minute. */
export async function startNetwork(): Promise<LabNetwork> {
  const { startLightning } = (await import(pathToFileURL(join(lab, 'lightning.mjs')).href)) as {
    startLightning(options: object): Promise<LabNetwork>
  }
  return await startLightning({ nodes: ['seller', 'buyer'] })
}

/** `lightning:` of a gateway's configuration for a node. */
export function lndBackend({ rest, invoiceMacaroon, tls }: LabNode): string {
  return `{ backend: lnd, url: "${rest}", macaroonFile: "${invoiceMacaroon}", tlsCertFile: "${tls}" }`
}
