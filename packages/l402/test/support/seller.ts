/** A seller and a wallet for tests: a real HTTP server with real macaroons and invoices, and money that is a map. */

import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { encodeInvoice, type InvoiceFields } from '../../src/core/bolt11/index.ts'
import { encodeHex } from '../../src/core/bytes.ts'
import { mintMacaroon } from '../../src/core/chain.ts'
import { formatChallenge } from '../../src/core/challenge.ts'
import { parseCredentials } from '../../src/core/credential.ts'
import { sha256 } from '../../src/core/hash.ts'
import { decodeIdentifier, encodeIdentifier } from '../../src/core/identifier.ts'
import { encodeMacaroon } from '../../src/core/macaroon.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from '../../src/lightning/backend.ts'

const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const nodeKey = bytes(32)

/** Preimages by payment hash: what a Lightning network knows. */
export type Secrets = Map<string, Uint8Array>

/** How a challenge is to be made. */
export interface ChallengePlan {
  readonly invoice?: Partial<InvoiceFields>
  readonly caveats?: readonly string[]
  /** The macaroon names another payment hash. */
  readonly otherHash?: boolean
}

/** Makes the value of a `WWW-Authenticate` header; the preimage goes into `secrets`. */
export function challengeOf(
  secrets: Secrets,
  plan: ChallengePlan = {},
): { header: string; invoice: string; paymentHash: string } {
  const preimage = bytes(32)
  const paymentHash = new Uint8Array(sha256(preimage))
  secrets.set(encodeHex(paymentHash), preimage)
  const invoice = encodeInvoice(
    {
      network: 'regtest',
      amountMsat: 10_000n,
      timestamp: Math.floor(Date.now() / 1000),
      paymentHash,
      paymentSecret: bytes(32),
      description: 'one forecast',
      ...plan.invoice,
    },
    nodeKey,
  )
  const identifier = encodeIdentifier({
    paymentHash: plan.otherHash ? bytes(32) : paymentHash,
    tokenId: bytes(32),
  })
  const macaroon = encodeMacaroon(
    mintMacaroon({ rootKey: nodeKey, identifier, caveats: plan.caveats ?? ['services=weather:0'] }),
  )
  return { header: formatChallenge({ macaroon, invoice }), invoice, paymentHash: encodeHex(paymentHash) }
}

/** What the seller received. */
export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** Payment hash of the credential, if one came that proves its payment. */
  readonly paid: string | undefined
}

/** Answers a request in its own way; `undefined` leaves it to the honest seller. */
export type Behaviour = (received: Received, response: ServerResponse, seller: Seller) => unknown

/** A running seller. */
export interface Seller extends AsyncDisposable {
  readonly origin: string
  readonly secrets: Secrets
  readonly received: Received[]
  /** Calls that one payment buys. */
  uses: number
  behaviour: Behaviour
  plan: ChallengePlan
  /** Answers 402 with a fresh challenge. */
  charge(response: ServerResponse, plan?: ChallengePlan): void
}

/** Starts a seller on a free port of the loopback interface. */
export async function startSeller(secrets: Secrets = new Map()): Promise<Seller> {
  const used = new Map<string, number>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const received: Received = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
        paid: paidHash(request.rawHeaders),
      }
      seller.received.push(received)
      if (seller.behaviour(received, response, seller) !== undefined) return
      const uses = received.paid === undefined ? seller.uses : (used.get(received.paid) ?? 0)
      if (received.paid === undefined || uses >= seller.uses) return seller.charge(response)
      used.set(received.paid, uses + 1)
      response.end('sunny')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const seller: Seller = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secrets,
    received: [],
    uses: Number.POSITIVE_INFINITY,
    behaviour: () => undefined,
    plan: {},
    charge(response, plan = seller.plan) {
      response.writeHead(402, { 'www-authenticate': challengeOf(secrets, plan).header }).end('pay first')
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return seller
}

function paidHash(rawHeaders: readonly string[]): string | undefined {
  const parsed = parseCredentials(rawHeaders)
  if (!parsed.ok) return undefined
  for (const { macaroon, preimage } of parsed.credentials) {
    const { paymentHash } = decodeIdentifier(macaroon.identifier)
    if (encodeHex(sha256(preimage)) === encodeHex(paymentHash)) return encodeHex(paymentHash)
  }
  return undefined
}

/** A wallet that pays whatever `secrets` knows. */
export interface TestWallet extends PaymentBackend {
  readonly paid: PayRequest[]
  readonly lookedUp: string[]
  feeMsat: bigint
  onPay: (request: PayRequest) => PaymentOutcome | Promise<PaymentOutcome>
  onLookup: (paymentHash: string) => PaymentOutcome | Promise<PaymentOutcome>
}

/** Makes a {@link TestWallet}. */
export function testWallet(secrets: Secrets, change: Partial<PaymentBackend> = {}): TestWallet {
  const known = (hash: string): PaymentOutcome => {
    const preimage = secrets.get(hash)
    if (!preimage) return { status: 'failed', detail: 'no route' }
    return { status: 'paid', preimage, feeMsat: wallet.feeMsat }
  }
  const wallet: TestWallet = {
    network: 'regtest',
    paymentCapabilities: { returnsPreimage: true, capsFees: true, looksUp: true },
    paid: [],
    lookedUp: [],
    feeMsat: 3n,
    onPay: (request) => known(encodeHex(request.paymentHash)),
    onLookup: () => ({ status: 'not_found' }),
    async pay(request) {
      wallet.paid.push(request)
      return await wallet.onPay(request)
    },
    async lookupPayment(paymentHash) {
      wallet.lookedUp.push(encodeHex(paymentHash))
      return await wallet.onLookup(encodeHex(paymentHash))
    },
    balanceMsat: async () => null,
    close: async () => {},
    ...change,
  }
  return wallet
}
