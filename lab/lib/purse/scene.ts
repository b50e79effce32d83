/** A hostile server with everything it needs: three listeners, real macaroons and invoices, and the buyer's wallet. */

import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createRawServer, type Server, type Socket } from 'node:net'
import {
  encodeBase64,
  encodeHex,
  encodeIdentifier,
  encodeInvoice,
  encodeMacaroon,
  type InvoiceFields,
  mintMacaroon,
} from '@turnpike/l402'
import { CERTIFICATE, PRIVATE_KEY } from '../../../packages/fare/test/support/certificate.ts'
import type { Spendthrift } from './wallet.ts'

/** What the server was sent. */
export interface Asked {
  readonly listener: 'main' | 'other' | 'tls'
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** Whether a credential came with it. */
  readonly paid: boolean
}

/** A challenge in its parts. */
export interface Challenge {
  readonly macaroon: string
  readonly invoice: string
}

/** How a challenge is to differ from an honest one: 10 sat, regtest, just made. */
export interface ChallengePlan extends Partial<InvoiceFields> {
  /** The macaroon is bound to another payment. */
  readonly otherHash?: boolean
  readonly caveats?: readonly string[]
  /** Of the payment, instead of one of its own. */
  readonly preimage?: Uint8Array
}

/** What the attack has at hand. */
export interface Scene {
  readonly wallet: Spendthrift
  /** `http://127.0.0.1:…` */
  readonly main: string
  /** Another host, `http://127.0.0.2:…`, with the same behaviour. */
  readonly other: string
  /** `https://127.0.0.1:…`, with a certificate nobody vouches for. */
  readonly tls: string
  readonly asked: Asked[]
  /** Makes a challenge that can be paid, and whose payment proves itself. */
  challenge(plan?: ChallengePlan): Challenge
  /** Every macaroon and preimage that was made here, as text. */
  secrets(): readonly string[]
  close(): Promise<void>
}

/** What the server does with a request. */
export type Behaviour = (asked: Asked, response: ServerResponse, scene: Scene) => unknown
/** What it does with a connection, below HTTP; `head` is what came up to the first empty line. */
export type RawBehaviour = (socket: Socket, head: string, scene: Scene) => unknown

/** The seller's node. */
const nodeKey = new Uint8Array(randomBytes(32))
const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length))

/** Opens the listeners. */
export async function openScene(
  wallet: Spendthrift,
  behaviour: { readonly http?: Behaviour | undefined; readonly raw?: RawBehaviour | undefined },
): Promise<Scene> {
  const sockets = new Set<Socket>()
  const secrets: string[] = []
  const asked: Asked[] = []
  const listenerOf =
    (listener: Asked['listener']): RequestListener =>
    (request, response) => {
      const chunks: Buffer[] = []
      request.on('error', () => {})
      response.on('error', () => {})
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { method = '', url: target = '', headers } = request
        const paid = /^(L402|LSAT) /.test(headers.authorization ?? '')
        const one = { listener, method, target, headers, body: Buffer.concat(chunks), paid }
        asked.push(one)
        void behaviour.http?.(one, response, scene)
      })
    }
  const raw = createRawServer((socket) => {
    let head = ''
    const read = (chunk: Buffer): void => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', read)
      const [method = '', target = ''] = head.split(' ', 2)
      const paid = /^authorization: (L402|LSAT) /im.test(head)
      asked.push({ listener: 'main', method, target, headers: {}, body: Buffer.alloc(0), paid })
      void behaviour.raw?.(socket, head, scene)
    }
    socket.on('data', read)
  })
  const main = behaviour.raw ? raw : createServer(listenerOf('main'))
  const other = createServer(listenerOf('other'))
  const tls = createTlsServer({ key: PRIVATE_KEY, cert: CERTIFICATE }, listenerOf('tls'))
  const servers: readonly Server[] = [main, other, tls]
  for (const server of servers)
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => sockets.delete(socket))
    })
  const ports = [
    await listen(main, '127.0.0.1'),
    await listen(other, '127.0.0.2'),
    await listen(tls, '127.0.0.1'),
  ]
  const scene: Scene = {
    wallet,
    main: `http://127.0.0.1:${ports[0]}`,
    other: `http://127.0.0.2:${ports[1]}`,
    tls: `https://127.0.0.1:${ports[2]}`,
    asked,
    challenge(plan = {}) {
      const { macaroon, invoice, preimage } = challengeFor(wallet, plan)
      secrets.push(macaroon, encodeHex(preimage), encodeBase64(preimage))
      return { macaroon, invoice }
    },
    secrets: () => secrets,
    async close() {
      for (const socket of sockets) socket.destroy()
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    },
  }
  return scene
}

async function listen(server: Server, host: string): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  return (server.address() as AddressInfo).port
}

function challengeFor(
  wallet: Spendthrift,
  plan: ChallengePlan,
): Challenge & { readonly preimage: Uint8Array } {
  const { otherHash = false, caveats = [], preimage = bytes(32), ...fields } = plan
  const paymentHash = new Uint8Array(createHash('sha256').update(preimage).digest())
  wallet.preimages.set(encodeHex(paymentHash), preimage)
  const invoice = encodeInvoice(
    {
      network: 'regtest',
      amountMsat: 10_000n,
      timestamp: Math.floor(Date.now() / 1000),
      paymentHash,
      paymentSecret: bytes(32),
      ...(fields.descriptionHash === undefined ? { description: 'one forecast' } : {}),
      ...fields,
    },
    nodeKey,
  )
  const identifier = encodeIdentifier({
    paymentHash: otherHash ? bytes(32) : paymentHash,
    tokenId: bytes(32),
  })
  const macaroon = encodeMacaroon(mintMacaroon({ rootKey: nodeKey, identifier, caveats }))
  return { macaroon: encodeBase64(macaroon), invoice, preimage }
}

/** The challenge's header as this project writes it. */
export function headerOf({ macaroon, invoice }: Challenge): string {
  return `L402 macaroon="${macaroon}", invoice="${invoice}", version="0", token="${macaroon}"`
}

/** Answers 402 with a challenge, honest but for the plan. */
export function charge(response: ServerResponse, scene: Scene, plan: ChallengePlan = {}): void {
  demand(response, headerOf(scene.challenge(plan)))
}

/** Answers 402, or another status, with this header. */
export function demand(
  response: ServerResponse,
  header: string | readonly string[],
  more: { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: string } = {},
): void {
  const { status = 402, headers = {}, body = 'pay first' } = more
  response.writeHead(status, { ...headers, 'www-authenticate': header as string }).end(body)
}

/** Sells every path for itself: a credential is good where it was bought, and nowhere else. */
export function perPath(
  plan: ChallengePlan,
  served: Behaviour = (_, response) => response.end('sunny'),
): Behaviour {
  const sold = new WeakMap<Scene, Map<string, string>>()
  return (asked, response, scene) => {
    const paths = sold.get(scene) ?? new Map<string, string>()
    sold.set(scene, paths)
    const [, macaroon = ''] = /^\S+ ([^:]+):/.exec(asked.headers.authorization ?? '') ?? []
    if (paths.get(macaroon) === asked.target) return served(asked, response, scene)
    const challenge = scene.challenge(plan)
    paths.set(challenge.macaroon, asked.target)
    return demand(response, headerOf(challenge))
  }
}
