/**
 * The sandbox's wallet over HTTP, so that other processes on this machine can pay: the server's side, as one
 * function from request to answer. There is no token: it is play money, and must be mounted on loopback only.
 *
 * - `POST /sandbox/v1/pay` `{"invoice":"lnbcrt…"}` → 200 `{"preimage","feeMsat"}`, 422 `{"status":"failed","detail"}`,
 *   504 `{"status":"unknown","detail"}`
 * - `GET /sandbox/v1/payments/<payment hash in hex>` → 200 `{"status":"paid","preimage","feeMsat"}`,
 *   `{"status":"pending"}`, `{"status":"failed","detail"}`, `{"status":"unknown","detail"}`; 404 `{"status":"not_found"}`
 * - `GET /sandbox/v1/balance` → 200 `{"balanceMsat","sellerBalanceMsat"}`
 *
 * Amounts are decimal strings of millisatoshi. Everything else answers problem details (RFC 9457).
 */

import { decodeInvoice } from '../core/bolt11/index.ts'
import { decodeHex, encodeHex } from '../core/bytes.ts'
import { isL402Error } from '../core/errors.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from './backend.ts'

/** What the routes serve: a sandbox, or anything like it. */
export interface SandboxBalances extends PaymentBackend {
  sellerBalanceMsat(): Promise<bigint>
}

export interface SandboxAnswer {
  readonly status: number
  readonly contentType: 'application/json' | 'application/problem+json'
  readonly body: string
}

/** Answers one request; `undefined` for a path that is not the sandbox's. Never throws. */
export type SandboxRoutes = (method: string, path: string, body: string) => Promise<SandboxAnswer | undefined>

const PREFIX = '/sandbox/v1/'
const PAYMENTS = 'payments/'
const MAX_BODY = 16_384
/** The channel is direct: a routing fee would be a fault. */
const MAX_FEE_MSAT = 0n

/**
 * @param options.timeoutMs how long a payment is waited for before its outcome is answered as unknown; default
 * 30 seconds.
 */
export function sandboxRoutes(wallet: SandboxBalances, options: { timeoutMs?: number } = {}): SandboxRoutes {
  const { timeoutMs = 30_000 } = options
  return async (method, path, body) => {
    if (!path.startsWith(PREFIX)) return undefined
    const name = path.slice(PREFIX.length)
    try {
      if (name === 'pay') {
        return method === 'POST' ? await pay(wallet, body, timeoutMs) : wrongMethod('POST')
      }
      if (name !== 'balance' && !name.startsWith(PAYMENTS)) return problem(404, 'no such sandbox path')
      if (method !== 'GET') return wrongMethod('GET')
      return name === 'balance' ? await balance(wallet) : await payment(wallet, name.slice(PAYMENTS.length))
    } catch (error) {
      if (!isL402Error(error, 'lightning_unavailable')) return problem(500, 'the sandbox failed')
      return problem(503, error.message, { code: error.code })
    }
  }
}

async function pay(wallet: SandboxBalances, body: string, timeoutMs: number): Promise<SandboxAnswer> {
  const invoice = invoiceOf(body)
  if (invoice === undefined) return problem(400, 'expected a JSON object like {"invoice":"lnbcrt…"}')
  const request = requestFor(invoice, timeoutMs)
  if (typeof request === 'string') return json(422, { status: 'failed', detail: request })
  const outcome = await wallet.pay(request)
  switch (outcome.status) {
    case 'paid':
      return json(200, { preimage: encodeHex(outcome.preimage), feeMsat: `${outcome.feeMsat}` })
    case 'failed':
      return json(422, { status: 'failed', detail: outcome.detail })
    case 'unknown':
      return json(504, { status: 'unknown', detail: outcome.detail })
    default:
      return json(504, { status: 'unknown', detail: `the payment is ${outcome.status}` })
  }
}

function invoiceOf(body: string): string | undefined {
  if (body.length > MAX_BODY) return undefined
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value !== 'object' || value === null || !('invoice' in value)) return undefined
    return typeof value.invoice === 'string' ? value.invoice : undefined
  } catch {
    return undefined
  }
}

function requestFor(invoice: string, timeoutMs: number): PayRequest | string {
  try {
    const { amountMsat, paymentHash } = decodeInvoice(invoice)
    if (amountMsat === null) return 'the invoice names no amount'
    return { invoice, paymentHash, amountMsat, maxFeeMsat: MAX_FEE_MSAT, timeoutMs }
  } catch (error) {
    if (isL402Error(error, 'malformed')) return error.message
    throw error
  }
}

async function payment(wallet: SandboxBalances, hex: string): Promise<SandboxAnswer> {
  const hash = decodeHex(hex)
  if (hash?.length !== 32) return problem(400, 'expected a payment hash of 64 hex digits')
  const outcome = await wallet.lookupPayment(hash)
  return json(outcome.status === 'not_found' ? 404 : 200, describe(outcome))
}

function describe(outcome: PaymentOutcome): Record<string, string> {
  switch (outcome.status) {
    case 'paid':
      return { status: 'paid', preimage: encodeHex(outcome.preimage), feeMsat: `${outcome.feeMsat}` }
    case 'failed':
    case 'unknown':
      return { status: outcome.status, detail: outcome.detail }
    case 'paid_unproven':
      return { status: outcome.status, feeMsat: `${outcome.feeMsat}` }
    default:
      return { status: outcome.status }
  }
}

async function balance(wallet: SandboxBalances): Promise<SandboxAnswer> {
  const [buyer, seller] = await Promise.all([wallet.balanceMsat(), wallet.sellerBalanceMsat()])
  return json(200, { balanceMsat: `${buyer ?? 0n}`, sellerBalanceMsat: `${seller}` })
}

function wrongMethod(allowed: string): SandboxAnswer {
  return problem(405, `expected ${allowed}`)
}

function json(status: number, value: Record<string, string>): SandboxAnswer {
  return { status, contentType: 'application/json', body: JSON.stringify(value) }
}

function problem(status: number, detail: string, more: Record<string, string> = {}): SandboxAnswer {
  const body = JSON.stringify({ type: 'about:blank', status, detail, ...more })
  return { status, contentType: 'application/problem+json', body }
}
