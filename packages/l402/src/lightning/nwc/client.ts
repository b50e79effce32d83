/** Nostr Wallet Connect (NIP-47): what this library asks of a client, and how its faults are read. */

import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import { expectNetwork, networkNamed } from '../lib/networks.ts'
import { objectOf, textOf } from '../lib/values.ts'

/** The part of a NIP-47 client that is needed; `NWCClient` of `@getalby/sdk` is one. Amounts are in millisatoshi. */
export interface NwcClient {
  getInfo(): Promise<unknown>
  getBalance(): Promise<unknown>
  makeInvoice(request: { amount: number; description: string; expiry: number }): Promise<unknown>
  lookupInvoice(request: { payment_hash: string }): Promise<unknown>
  payInvoice(request: { invoice: string }): Promise<unknown>
  close(): void
}

/** How to reach a wallet over NWC. */
export interface NwcOptions {
  /** The connection string `nostr+walletconnect://…`, as the wallet shows it. A secret. */
  readonly connection: string
  /** The network it must be on; left out: the one it says it is on. */
  readonly network?: Network
  /** Another client than the one of `@getalby/sdk`. */
  readonly client?: NwcClient
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** An open connection. */
export interface NwcWallet {
  readonly who: string
  readonly client: NwcClient
  readonly network: Network
  /** What the connection allows, where the wallet says so. */
  readonly methods: readonly unknown[]
}

/** How long a wallet may take to answer anything but a payment. */
const NWC_MS = 15_000

/** Connects, and checks network and permissions. */
export async function openNwc(options: NwcOptions, methods: readonly string[]): Promise<NwcWallet> {
  const { connection } = options
  const url = URL.canParse(connection) ? new URL(connection) : undefined
  const right = url !== undefined && /^nostr\+?walletconnect:$/.test(url.protocol)
  if (!right || !url.searchParams.has('relay') || !url.searchParams.has('secret'))
    throw new TypeError('nwc: connection: expected "nostr+walletconnect://…?relay=…&secret=…"')
  const relay = url.searchParams.get('relay') ?? ''
  const who = `NWC wallet by ${URL.canParse(relay) ? new URL(relay).host : 'an unknown relay'}`
  const client = options.client ?? (await newClient(connection))
  try {
    const info = objectOf(await asked(who, client.getInfo()))
    const named = textOf(info['network'])
    // A wallet may keep it to itself; then it is the real one unless said otherwise.
    const found = named === '' ? (options.network ?? 'mainnet') : networkNamed(who, named)
    const network = expectNetwork(who, found, options.network)
    const can: unknown = info['methods']
    for (const method of methods) {
      if (!Array.isArray(can) || can.includes(method)) continue
      const allow = 'allow it in the wallet, where the connection was made'
      throw new L402Error('lightning_unavailable', `${who} refused: the connection lacks ${method}; ${allow}`)
    }
    return { who, client, network, methods: Array.isArray(can) ? can : [] }
  } catch (error) {
    client.close()
    throw error
  }
}

/** The part of the package's client that is used: its public methods write whole answers, preimages included, to the console. */
interface SdkClient {
  executeNip47Request(
    method: string,
    params: object,
    isValid: (result: unknown) => boolean,
    timeouts: { readonly replyTimeout: number },
  ): Promise<unknown>
  close(): void
}

/** A payment may take its time. */
const PAY_MS = 90_000

async function newClient(connection: string): Promise<NwcClient> {
  let sdk: { readonly NWCClient: new (options: { nostrWalletConnectUrl: string }) => SdkClient }
  try {
    // Its types hang on conditions that not every resolver tries.
    const name = '@getalby/sdk/nwc'
    sdk = (await import(name)) as typeof sdk
  } catch {
    throw new L402Error(
      'lightning_unavailable',
      'NWC needs the package @getalby/sdk; install it beside this one',
    )
  }
  let client: SdkClient
  try {
    client = new sdk.NWCClient({ nostrWalletConnectUrl: connection })
  } catch {
    // Its message may repeat the connection string.
    throw new TypeError('nwc: connection: expected "nostr+walletconnect://…?relay=…&secret=…"')
  }
  const ask = (method: string, params: object, replyTimeout = NWC_MS): Promise<unknown> =>
    client.executeNip47Request(method, params, () => true, { replyTimeout })
  return {
    getInfo: () => ask('get_info', {}),
    getBalance: () => ask('get_balance', {}),
    makeInvoice: (request) => ask('make_invoice', request),
    lookupInvoice: (request) => ask('lookup_invoice', request),
    payInvoice: (request) => ask('pay_invoice', request, PAY_MS),
    close: () => client.close(),
  }
}

/** Codes of NIP-47 that say for certain that nothing was or will be paid. */
const UNPAID = [
  'RATE_LIMITED',
  'NOT_IMPLEMENTED',
  'INSUFFICIENT_BALANCE',
  'QUOTA_EXCEEDED',
  'RESTRICTED',
  'UNAUTHORIZED',
  'BAD_REQUEST',
]

/** The code of the wallet's own error, or `undefined` where it was none. */
export function walletCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.constructor.name !== 'Nip47WalletError') return undefined
  return 'code' in error ? String(error.code) : ''
}

/** Whether the wallet says that it did not pay. */
export function isCertainlyUnpaid(error: unknown): boolean {
  const code = walletCode(error)
  return code !== undefined && UNPAID.includes(code)
}

/** Whether the request never left. */
export function isUnsent(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === 'Nip47NetworkError'
}

/** An answer in time, or `lightning_unavailable` in plain words. */
export async function asked(who: string, call: Promise<unknown>): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new L402Error('lightning_unavailable', `${who}: no answer within ${NWC_MS} ms`)),
      NWC_MS,
    )
  })
  try {
    return await Promise.race([call, late])
  } catch (error) {
    if (error instanceof L402Error) throw error
    throw new L402Error('lightning_unavailable', `${who}: ${faultText(error)}`)
  } finally {
    clearTimeout(timer)
  }
}

/** What went wrong, without what the client may have put into its message. */
export function faultText(error: unknown): string {
  const code = walletCode(error)
  if (code === 'UNAUTHORIZED' || code === 'RESTRICTED')
    return `refused (${code}): the connection is not allowed to do this; change it in the wallet`
  if (code !== undefined) return `refused (${textOf(code, 'no code')})`
  return isUnsent(error) ? 'nothing answers at its relay' : 'no answer that is understood'
}
