/** One app, in every framework: what its routes do, told in no framework's words, and a client that sends what it is told. */

import { type ClientRequest, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeInvoice } from '../src/core/bolt11/index.ts'
import { decodeBase64 } from '../src/core/bytes.ts'
import { findL402Challenges } from '../src/core/challenge.ts'
import { formatCredential } from '../src/core/credential.ts'
import { L402Error } from '../src/core/errors.ts'
import { decodeIdentifier } from '../src/core/identifier.ts'
import { decodeMacaroon } from '../src/core/macaroon.ts'
import { dpopVerifier } from '../src/dpop/index.ts'
import { type MemoryLightning, memoryLightning } from '../src/lightning/memory.ts'
import type { L402Access } from '../src/server/access.ts'
import { sessions } from '../src/server/payment-scheme/session/desk.ts'
import type { L402Options, L402Route } from '../src/server/route-gates.ts'
import type { CounterState, Ledger } from '../src/stores/ledger.ts'
import { memoryStore } from '../src/stores/memory/index.ts'

/** What a handler is given. */
export interface Call {
  readonly access: L402Access | null
  text(): Promise<string>
}

/** What it answers; a body in pieces is a stream. */
export interface Served {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | AsyncIterable<string>
}

export interface MatrixRoute {
  readonly method: 'GET' | 'POST' | 'ALL'
  /** Two segments at most; `:city` takes any segment. */
  readonly path: string
  readonly offer: L402Route
  handle(call: Call): Served | Promise<Served>
}

/** Mounts the routes in a framework and listens on a free port of the loopback. */
export type Mount = (options: L402Options, routes: readonly MatrixRoute[]) => Promise<Running>

export interface Running {
  readonly port: number
  close(): Promise<void>
}

/** Whatever the tests change while the app runs. */
export interface Switches {
  fails: boolean
  storeDown: 'reserve' | 'serve' | null
  /** Handlers of paid routes that have run. */
  runs: number
  /** The stream waits for each of these before its next piece. */
  pieces: (string | Error)[]
  wake: () => void
}

export function matrixRoutes(switches: Switches): readonly MatrixRoute[] {
  const route = (
    method: MatrixRoute['method'],
    path: string,
    offer: Omit<L402Route, 'name'>,
    handle: MatrixRoute['handle'],
  ): MatrixRoute => ({
    method,
    path,
    offer: { ...offer, name: `${method} ${path}` },
    handle(call) {
      if (offer.free !== true) switches.runs++
      return handle(call)
    },
  })
  const seen = ({ access }: Call): Served => ({
    headers: {
      'X-Token-Id': access?.tokenId ?? 'none',
      'X-Payment-Hash': access?.paymentHash ?? 'none',
      'X-Left': `${access?.left.calls} ${access?.left.creditMsat}`,
      'Access-Control-Allow-Origin': '*',
    },
    body: `sunny for ${access?.service}`,
  })
  async function* pieces(): AsyncIterable<string> {
    for (;;) {
      const next = switches.pieces.shift()
      if (next === 'end') return
      if (next instanceof Error) throw next
      if (next === undefined)
        await new Promise<void>((resolve) => {
          switches.wake = resolve
        })
      else yield next
    }
  }
  const METERED = { price: '100 sat', grants: { credit: '100 sat' } }
  return [
    route('GET', '/health', { free: true }, seen),
    route('GET', '/rare', { free: true, rateLimits: [{ requests: '2/1d', per: 'route' }] }, seen),
    route('GET', '/forecast/:city', { price: '10 sat', grants: { calls: 2 } }, seen),
    route('GET', '/pass', { price: '10 sat', grants: { valid: '1h' } }, seen),
    route('ALL', '/any', { price: '1 sat' }, seen),
    route('GET', '/bound', { price: '1 sat', grants: { valid: '1h' }, conditions: { dpop: true } }, seen),
    route('GET', '/throws', { price: '1 sat' }, () => {
      if (switches.fails) throw new Error('the handler’s own')
      return { body: 'fine' }
    }),
    route('GET', '/down', { price: '1 sat' }, () =>
      switches.fails ? { status: 503, body: 'down' } : { body: 'up' },
    ),
    route('GET', '/stream', { price: '1 sat', grants: { calls: 5 } }, () => ({ body: pieces() })),
    route('POST', '/order', { price: '1 sat', grants: { calls: 5 } }, async (call) => ({
      status: 201,
      headers: { 'X-Run': String(switches.runs) },
      body: `ordered ${await call.text()}`,
    })),
    route('POST', '/chat', { ...METERED, charge: { byHandler: true, estimate: '5 sat' } }, async (call) => {
      const text = await call.text()
      if (text !== 'silent') {
        call.access?.charge(1_000n)
        call.access?.charge(500n)
      }
      return { body: `said ${text}` }
    }),
    route('GET', '/bytes', { ...METERED, charge: { responseBytes: '10 msat', estimate: '1 sat' } }, () => ({
      body: pieces(),
    })),
    route(
      'POST',
      '/upload',
      { ...METERED, charge: { requestBytes: '1 msat/10', estimate: '100 msat' } },
      async (call) => ({ body: `got ${(await call.text()).length}` }),
    ),
    route(
      'GET',
      '/events',
      {
        price: '10 sat',
        grants: { credit: '10 sat' },
        charge: { events: '3 sat', estimate: '4 sat' },
      },
      () => ({ headers: { 'Content-Type': 'text/event-stream' }, body: pieces() }),
    ),
  ]
}

/** A running app with its buyer. */
export interface Bench extends Switches {
  readonly lightning: MemoryLightning
  readonly port: number
  send(method: string, target: string, options?: SendOptions): Promise<Answer>
  open(target: string, authorization: string): ClientRequest
  /** Pays what the route asks; answers the value of an `Authorization` line. */
  buy(method: string, target: string): Promise<string>
  used(authorization: string): Promise<CounterState | undefined>
  close(): Promise<void>
}

export interface SendOptions {
  /** Name, value, …; names may repeat. */
  readonly headers?: readonly string[]
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

export async function openBench(mount: Mount): Promise<Bench> {
  const lightning = memoryLightning()
  const store = memoryStore()
  const switches: Switches = { fails: false, storeDown: null, runs: 0, pieces: [], wake: () => {} }
  const down = (): Promise<never> => Promise.reject(new L402Error('store_unavailable', 'disk full'))
  const failing: Ledger = {
    ...store,
    revocationEpoch: 0,
    reserve: (ask) => (switches.storeDown === 'reserve' ? down() : store.reserve(ask)),
    serve: (id) => (switches.storeDown === 'serve' ? down() : store.serve(id)),
  }
  const desk = sessions({ store: failing, network: lightning.network, idleTimeoutSeconds: null })
  const running = await mount(
    {
      sessions: desk,
      lightning,
      store: failing,
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
      services: { weather: {} },
      dpop: dpopVerifier(),
      challengeLimit: { limit: 10_000, perSeconds: 1 },
    },
    matrixRoutes(switches),
  )
  const { port } = running
  const begin = (method: string, target: string, headers: readonly string[]): ClientRequest =>
    httpRequest({
      host: '127.0.0.1',
      port,
      method,
      path: target,
      agent: false,
      headers: ['Host', 'api.example', 'Connection', 'close', ...headers],
    })
  async function send(method: string, target: string, options: SendOptions = {}): Promise<Answer> {
    const { headers = [], body } = options
    const length = body === undefined ? [] : ['Content-Length', String(Buffer.byteLength(body))]
    const req = begin(method, target, [...headers, ...length])
    req.end(body)
    return readAnswer(await answerOf(req))
  }
  return Object.assign(switches, {
    lightning,
    port,
    send,
    open(target: string, authorization: string) {
      const req = begin('GET', target, ['Authorization', authorization])
      req.on('error', () => {})
      req.end()
      return req
    },
    buy: async (method: string, target: string) => payFor({ lightning }, await send(method, target)),
    async used(authorization: string) {
      const token = /^L402 ([^:]+):/.exec(authorization)?.[1] ?? ''
      return (await store.read([identifierOf(token).tokenId]))[0]
    },
    async close() {
      await running.close()
      await desk.stop()
    },
  })
}

/** Pays what an answer asks; answers the value of an `Authorization` line. */
export async function payFor(
  { lightning }: Pick<Bench, 'lightning'>,
  { status, headers }: Pick<Answer, 'status' | 'headers'>,
): Promise<string> {
  const [challenge] = findL402Challenges([headers['www-authenticate'] ?? ''])
  if (challenge === undefined) throw new Error(`expected a challenge, got ${status}`)
  const paid = await lightning.pay({
    invoice: challenge.invoice,
    paymentHash: identifierOf(challenge.macaroon).paymentHash,
    amountMsat: decodeInvoice(challenge.invoice).amountMsat ?? 0n,
    maxFeeMsat: 0n,
    timeoutMs: 1000,
  })
  if (paid.status !== 'paid') throw new Error(paid.status)
  return formatCredential(challenge.macaroon, paid.preimage)
}

/** The same of a `Response`. */
export async function payResponse(
  lightning: Bench['lightning'],
  { status, headers }: Response,
): Promise<string> {
  return await payFor({ lightning }, { status, headers: Object.fromEntries(headers) })
}

/** What a browser keeps of an answer's cookies. */
export function cookiesOf({ headers }: Answer): string {
  const lines = headers['set-cookie'] as unknown as readonly string[]
  return lines.flatMap((line) => (line.includes('Max-Age=0;') ? [] : [line.split(';')[0]])).join('; ')
}

/** What the token of a credential says of itself. */
export function identifierOf(token: string): ReturnType<typeof decodeIdentifier> {
  return decodeIdentifier(decodeMacaroon(decodeBase64(token) as Uint8Array).identifier)
}

export function answerOf(req: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    req.on('response', resolve)
    req.on('error', reject)
  })
}

async function readAnswer(res: IncomingMessage): Promise<Answer> {
  let body = ''
  for await (const chunk of res.setEncoding('utf8')) body += chunk
  return { status: res.statusCode ?? 0, headers: res.headers as Answer['headers'], body }
}

/** Listens on a free port. */
export async function listen(server: Server): Promise<Running> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
