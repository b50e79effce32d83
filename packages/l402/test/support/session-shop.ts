/** A paywall that sells sessions, a client of theirs that follows the draft, and a wallet that pays back. */

import { encodeInvoice } from '../../src/core/bolt11/index.ts'
import { decodeHex, encodeHex } from '../../src/core/bytes.ts'
import { sha256 } from '../../src/core/hash.ts'
import {
  decodeJsonObject,
  formatPaymentCredential,
  type JsonObject,
  type PaymentChallenge,
  type PaymentReceipt,
  parsePaymentChallenges,
  parsePaymentReceipt,
} from '../../src/core/payment-scheme/index.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from '../../src/lightning/backend.ts'
import { memoryLightning } from '../../src/lightning/memory.ts'
import { type SessionsOptions, sessions } from '../../src/server/payment-scheme/session/desk.ts'
import { type PaywallRoute, paywall } from '../../src/server/paywall.ts'
import type { Ledger } from '../../src/stores/ledger.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'

const keys = [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }]
export const SESSION_ROUTES: readonly PaywallRoute[] = [
  { match: 'GET /bundle', price: '100 sat', grants: { calls: 50 } },
  { match: 'GET /dear', price: '1000 sat', grants: { calls: 2 } },
  {
    match: 'GET /chat',
    price: '100 sat',
    grants: { credit: '100 sat' },
    charge: { fixed: '1 sat', estimate: '2 sat' },
  },
  { match: 'GET /few', price: '10 sat', grants: { calls: 5 } },
  {
    match: 'GET /little',
    price: '10 sat',
    grants: { credit: '10 sat' },
    charge: { fixed: '1 sat', estimate: '2 sat' },
  },
  { match: 'GET /free', free: true },
  { match: 'GET /gift', price: '100 sat', grants: { calls: 50 }, freebie: '1/1d' },
  { match: 'GET /shadow', price: '100 sat', grants: { calls: 50 }, shadow: true },
  { match: 'GET /unsold', price: '100 sat', grants: { calls: 50 }, skipInvoice: true },
  { match: 'GET /call', price: '10 sat' },
  { match: 'GET /pass', price: '10 sat', grants: { valid: '1h' } },
]

/** A wallet that pays invoices without an amount: what it was asked is in `paid`. */
export interface RefundWallet extends PaymentBackend {
  readonly paid: PayRequest[]
  /** How the next payments go; `paid` if left out. */
  next: (request: PayRequest) => PaymentOutcome | Promise<PaymentOutcome>
  known: PaymentOutcome
}

export function refundWallet(): RefundWallet {
  const self: RefundWallet = {
    network: 'regtest',
    paymentCapabilities: { returnsPreimage: true, capsFees: true, looksUp: true, paysAnyAmount: true },
    paid: [],
    known: { status: 'not_found' },
    next: () => ({ status: 'paid_unproven', feeMsat: 0n }),
    async pay(request) {
      self.paid.push(request)
      return self.next(request)
    },
    lookupPayment: async () => self.known,
    balanceMsat: async () => null,
    close: async () => {},
  }
  return self
}

let invoices = 0

/** An invoice of the client's, by default one without an amount that is good for 30 days. */
export function returnInvoice({
  amountMsat = null,
  network = 'regtest',
  nowSeconds = 1_800_000_000,
  expirySeconds = 2_592_000,
}: {
  readonly amountMsat?: bigint | null
  readonly network?: 'regtest' | 'mainnet'
  readonly nowSeconds?: number
  readonly expirySeconds?: number
} = {}): string {
  const unique = new Uint8Array(32).fill(++invoices)
  unique[0] = invoices >> 8
  const fields = { network, amountMsat, timestamp: nowSeconds, expirySeconds, description: 'back' }
  const key = new Uint8Array(32).fill(9)
  return encodeInvoice({ ...fields, paymentHash: sha256(unique), paymentSecret: unique }, key)
}

/** Pays the deposit of a session's challenge: the preimage. */
export async function payDeposit(
  lightning: Pick<PaymentBackend, 'pay'>,
  challenge: Pick<PaymentChallenge, 'request'>,
): Promise<Uint8Array> {
  const { depositInvoice, paymentHash, depositAmount } = decodeJsonObject(challenge.request) ?? {}
  const paid = await lightning.pay({
    invoice: String(depositInvoice),
    paymentHash: decodeHex(String(paymentHash)) as Uint8Array,
    amountMsat: BigInt(String(depositAmount)) * 1000n,
    maxFeeMsat: 0n,
    timeoutMs: 1000,
  })
  if (paid.status !== 'paid') throw new Error(paid.status)
  return paid.preimage
}

export interface Answer {
  readonly status: number
  /** Last part of the problem's type. */
  readonly problem: string
  readonly body: JsonObject
  readonly receipt: PaymentReceipt | undefined
  readonly cacheControl: string | null
  readonly headers: Headers
}

export interface OpenedSession {
  readonly challenge: PaymentChallenge
  readonly sessionId: string
  readonly preimage: string
  readonly returnInvoice: string
  readonly answer: Answer
}

/** A shop on a clock of its own. */
export interface SessionShop {
  clock: number
  readonly store: Ledger
  /** Requests that came through. */
  readonly served: string[]
  ask(path: string, headers?: Record<string, string>): Promise<Answer>
  offers(path: string, accept?: string): Promise<readonly PaymentChallenge[]>
  /** Pays a session's deposit. */
  deposit(path: string): Promise<{ readonly challenge: PaymentChallenge; readonly preimage: string }>
  act(path: string, challenge: PaymentChallenge, payload: JsonObject): Promise<Answer>
  open(path: string, more?: JsonObject): Promise<OpenedSession>
  /** The same server started again over the same books. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export function sessionShop(
  options: Partial<SessionsOptions> & {
    readonly payment?: 'asked' | 'always'
    /** Whether a challenge that nobody has paid is handed out again, as by default. */
    readonly reuse?: boolean
  } = {},
): SessionShop {
  const { payment = 'asked', reuse = false, ...more } = options
  const now = (): number => self.clock
  const lightning = memoryLightning({ now })
  const store = options.store ?? memoryStore({ now })
  const start = () => {
    const desk = sessions({ store, network: 'regtest', idleTimeoutSeconds: null, now, ...more })
    const gate = paywall({
      ...{ lightning, store, keys, now, payment, sessions: desk },
      services: { weather: { routes: SESSION_ROUTES } },
      ...(reuse ? {} : { challenges: { reuse: false } }),
      challengeLimit: { limit: null, perSeconds: 1 },
    })
    return { desk, gate }
  }
  let running: ReturnType<typeof start> | undefined
  const self: SessionShop = {
    clock: 1_800_000_000_000,
    store,
    served: [],
    async ask(path, headers = {}) {
      running ??= start()
      const request = new Request(`https://api.example${path}`, { headers })
      // Only to an address that is known a challenge is handed out again.
      const result = await running.gate(request, reuse ? { clientAddress: '192.0.2.1' } : {})
      const response =
        result.outcome === 'refuse'
          ? result.response
          : await result.serve(() => {
              self.served.push(path)
              return new Response('{}', { headers: { 'Cache-Control': 'public, max-age=60' } })
            })
      const text = await response.text()
      const body = (text === '' ? {} : JSON.parse(text)) as JsonObject
      const { status, headers: told } = response
      return {
        ...{ status, body, headers: told, cacheControl: told.get('cache-control') },
        problem: String(body['type'] ?? '').replace(/^.*problems\//, ''),
        receipt: parsePaymentReceipt(told.get('payment-receipt') ?? ''),
      }
    },
    async offers(path, accept = 'lightning/session') {
      const { headers } = await self.ask(path, { 'Accept-Payment': accept })
      return parsePaymentChallenges([headers.get('www-authenticate') ?? '']).map(
        ({ doubtful, ...challenge }) => challenge,
      )
    },
    async deposit(path) {
      const [challenge] = await self.offers(path)
      if (challenge === undefined) throw new Error('expected a session to be offered')
      return { challenge, preimage: encodeHex(await payDeposit(lightning, challenge)) }
    },
    act: (path, challenge, payload) =>
      self.ask(path, {
        Authorization: formatPaymentCredential({ challenge, payload }),
        'Accept-Payment': 'lightning/session',
      }),
    async open(path, extra = {}) {
      const { challenge, preimage } = await self.deposit(path)
      const back = returnInvoice({ nowSeconds: Math.floor(self.clock / 1000) })
      const payload = { action: 'open', preimage, returnInvoice: back, ...extra }
      const answer = await self.act(path, challenge, payload)
      const sessionId = encodeHex(sha256(decodeHex(preimage) as Uint8Array))
      return { challenge, sessionId, preimage, returnInvoice: back, answer }
    },
    async restart() {
      await running?.desk.stop()
      running = start()
    },
    async stop() {
      await running?.desk.stop()
      await store.close()
    },
  }
  return self
}
