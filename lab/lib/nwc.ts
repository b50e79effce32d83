/** Nostr Wallet Connect on a lab node: a real relay, and a wallet service in front of lnd. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Event, EventRepository, type Filter } from '@nostr-relay/common'
import { NostrRelay } from '@nostr-relay/core'
import { type WebSocket, WebSocketServer } from 'ws'
import type { LabNode } from './lightning.ts'

/** Relay and service. */
export interface LabNwc {
  /** A connection string with these permissions, all if left out. */
  connection(methods?: readonly string[]): Promise<string>
  close(): Promise<void>
}

/** Keeps what is not ephemeral; a lab's relay needs no disk. */
class MemoryRepository extends EventRepository {
  readonly #events = new Map<string, Event>()
  isSearchSupported(): boolean {
    return false
  }
  upsert(event: Event): { isDuplicate: boolean } {
    const isDuplicate = this.#events.has(event.id)
    this.#events.set(event.id, event)
    return { isDuplicate }
  }
  find(filter: Filter): Event[] {
    return [...this.#events.values()].filter(
      ({ id, kind, pubkey }) =>
        (filter.ids?.includes(id) ?? true) &&
        (filter.kinds?.includes(kind) ?? true) &&
        (filter.authors?.includes(pubkey) ?? true),
    )
  }
  async destroy(): Promise<void> {
    this.#events.clear()
  }
}

async function startRelay(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const relay = new NostrRelay(new MemoryRepository())
  const http = createServer()
  const sockets = new WebSocketServer({ server: http })
  sockets.on('connection', (socket: WebSocket) => {
    relay.handleConnection(socket)
    socket.on('message', (data) => void relay.handleMessage(socket, JSON.parse(String(data))).catch(() => {}))
    socket.on('close', () => relay.handleDisconnect(socket))
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`
  return {
    url,
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}

/** Any point of the curve: the generator. */
const SOME_KEY = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'

const METHODS = ['get_info', 'get_balance', 'make_invoice', 'lookup_invoice', 'pay_invoice'] as const

interface Service {
  readonly pool: { publish(...event: readonly unknown[]): Promise<unknown>[] }
  publishWalletServiceInfoEvent(
    secret: string,
    methods: readonly string[],
    notifications: string[],
  ): Promise<void>
  subscribe(keys: object, handler: object): Promise<() => void>
  close(): void
}

/** Starts both. */
export async function startNwc(node: LabNode): Promise<LabNwc> {
  const relay = await startRelay()
  const name = '@getalby/sdk/nwc'
  const sdk = (await import(name)) as {
    readonly NWCWalletService: new (options: object) => Service
    readonly NWCWalletServiceKeyPair: new (
      secret: string,
      client: string,
    ) => { readonly walletPubkey: string }
    readonly NWCClient: new (options: object) => { readonly publicKey: string; close(): void }
  }
  const services: Service[] = []
  let closed = false
  /** It waits for no answer it publishes: one that is under way at the end would be a rejection of nobody's. */
  const endQuietly = ({ pool }: Service): void => {
    const publish = pool.publish.bind(pool)
    pool.publish = (...event) =>
      publish(...event).map((sent) =>
        sent.catch((error: unknown) => {
          if (closed) return new Promise(() => {})
          throw error
        }),
      )
  }
  return {
    async connection(methods = METHODS) {
      const [walletSecret, clientSecret] = [randomHex(), randomHex()]
      const connection = (pubkey: string) =>
        `nostr+walletconnect://${pubkey}?relay=${encodeURIComponent(relay.url)}&secret=${clientSecret}`
      const probe = new sdk.NWCClient({ nostrWalletConnectUrl: connection(SOME_KEY) })
      const keys = new sdk.NWCWalletServiceKeyPair(walletSecret, probe.publicKey)
      probe.close()
      const service = new sdk.NWCWalletService({ relayUrls: [relay.url] })
      services.push(service)
      endQuietly(service)
      await service.publishWalletServiceInfoEvent(walletSecret, methods, [])
      await service.subscribe(keys, handlerOf(node, methods))
      return connection(keys.walletPubkey)
    },
    async close() {
      closed = true
      for (const service of services) service.close()
      await relay.close()
    },
  }
}

/** NIP-47 in front of lnd; a method that is not allowed is refused as wallets do. */
function handlerOf(node: LabNode, methods: readonly string[]): object {
  const guard =
    <T>(method: string, run: (request: T) => Promise<object>) =>
    async (request: T): Promise<object> => {
      const refused = { result: undefined, error: { code: 'RESTRICTED', message: 'not allowed' } }
      if (!methods.includes(method)) return refused
      try {
        return await run(request)
      } catch {
        return { result: undefined, error: { code: 'INTERNAL', message: 'the node failed' } }
      }
    }
  const ok = (result: unknown): object => ({ result, error: undefined })
  const fail = (code: string): object => ({ result: undefined, error: { code, message: code } })
  return {
    getInfo: guard('get_info', async () => ok({ alias: 'lab', network: 'regtest', methods })),
    getBalance: guard('get_balance', async () => {
      const { local_balance } = await node.call('GET', '/v1/balance/channels')
      return ok({ balance: Number((local_balance as { msat: string }).msat) })
    }),
    makeInvoice: guard<{ amount: number; description?: string; expiry?: number }>(
      'make_invoice',
      async (ask) => {
        const terms = {
          value_msat: String(ask.amount),
          memo: ask.description ?? '',
          expiry: String(ask.expiry ?? 3600),
        }
        const made = await node.call('POST', '/v1/invoices', terms)
        return ok({
          type: 'incoming',
          state: 'pending',
          invoice: made['payment_request'],
          payment_hash: Buffer.from(String(made['r_hash']), 'base64').toString('hex'),
          amount: ask.amount,
        })
      },
    ),
    lookupInvoice: guard<{ payment_hash?: string }>(
      'lookup_invoice',
      async ({ payment_hash = '' }) =>
        (await outgoing(node, payment_hash)) ?? (await incoming(node, payment_hash)) ?? fail('NOT_FOUND'),
    ),
    payInvoice: guard<{ invoice: string }>('pay_invoice', async ({ invoice }) => {
      const order = {
        payment_request: invoice,
        fee_limit_msat: '1000',
        timeout_seconds: 20,
        no_inflight_updates: true,
      }
      const { result } = (await node.call('POST', '/v2/router/send', order)) as {
        result: { status: string; payment_preimage: string; fee_msat: string }
      }
      if (result.status !== 'SUCCEEDED') return fail('PAYMENT_FAILED')
      return ok({ preimage: result.payment_preimage, fees_paid: Number(result.fee_msat) })
    }),
  }
}

async function outgoing(node: LabNode, hash: string): Promise<object | undefined> {
  const { payments } = (await node.call(
    'GET',
    '/v1/payments?include_incomplete=true&reversed=true&max_payments=200',
  )) as {
    payments: {
      payment_hash: string
      payment_request: string
      status: string
      payment_preimage: string
      fee_msat: string
      value_msat: string
    }[]
  }
  const found = payments.find(({ payment_hash }) => payment_hash === hash)
  if (found === undefined) return undefined
  const state = { SUCCEEDED: 'settled', FAILED: 'failed' }[found.status] ?? 'pending'
  const result = {
    type: 'outgoing',
    invoice: found.payment_request,
    payment_hash: hash,
    state,
    preimage: found.payment_preimage,
    fees_paid: Number(found.fee_msat),
    amount: Number(found.value_msat),
  }
  return { result, error: undefined }
}

async function incoming(node: LabNode, hash: string): Promise<object | undefined> {
  const found = await node.call('GET', `/v1/invoice/${hash}`).catch(() => undefined)
  if (found === undefined) return undefined
  const state =
    { SETTLED: 'settled', ACCEPTED: 'accepted', CANCELED: 'failed' }[String(found['state'])] ?? 'pending'
  const expires_at = Number(found['creation_date']) + Number(found['expiry'])
  return {
    result: {
      type: 'incoming',
      invoice: found['payment_request'],
      payment_hash: hash,
      state,
      expires_at,
      amount: Number(found['value_msat']),
    },
    error: undefined,
  }
}

const randomHex = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')
