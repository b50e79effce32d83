/** A wallet that pays through a gateway's sandbox (`turnpike serve --sandbox`) on this machine. Play money. */

import { decodeHex, encodeHex, equalBytes } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from './backend.ts'
import { identitiesOf } from './lib/identity.ts'
import { type JsonAnswer, type JsonCaller, jsonCaller } from './lib/json-call.ts'

export interface SandboxWalletOptions {
  /** The gateway's admin address on loopback, e.g. `http://127.0.0.1:9402`. */
  readonly url: string
  readonly fetch?: typeof globalThis.fetch
}

const LOOKUP_MS = 10_000

/**
 * A {@link PaymentBackend} over the sandbox's HTTP wallet. A payment whose answer is lost or not understood is
 * `unknown`, never `failed` (rule C3).
 *
 * @throws L402Error `sandbox_forbidden` when `url` is not loopback: the sandbox has no authentication.
 *
 * @example
 * const wallet = sandboxWallet({ url: 'http://127.0.0.1:9402' })
 */
export function sandboxWallet(options: SandboxWalletOptions): PaymentBackend {
  const base = loopbackUrl(options.url)
  const call = jsonCaller({ base: `${base}/sandbox/v1`, fetch: options.fetch ?? globalThis.fetch })
  return {
    network: 'regtest',
    paymentCapabilities: { returnsPreimage: true, capsFees: true, looksUp: true },
    pay: (request) => pay(call, base, request),
    lookupPayment: (paymentHash) => lookupPayment(call, base, paymentHash),
    balanceMsat: () => balanceMsat(call, base),
    // Its node is a new one at every start: the address stands for it.
    identities: identitiesOf(`sandbox at ${base}`),
    ping: async () => {
      await balanceMsat(call, base)
    },
    close: async () => {},
  }
}

async function pay(call: JsonCaller, base: string, request: PayRequest): Promise<PaymentOutcome> {
  const { invoice, paymentHash, timeoutMs } = request
  const answer = await call('pay', { timeoutMs, json: { invoice } })
  if (answer.kind === 'refused') throw notThere(base)
  if (answer.kind === 'lost') return unknown(answer.detail)
  const { status, body } = answer
  if (status === 200) return paid(body, paymentHash)
  if (status === 422 && body['status'] === 'failed') return failed(body)
  // the sandbox says itself that nothing was sent
  if (status === 503 && body['code'] === 'lightning_unavailable') throw unavailable(base, body)
  if (status === 504 && body['status'] === 'unknown')
    return unknown(textOf(body['detail'], 'no outcome in time'))
  // a listener without a sandbox
  if (status === 404) throw notThere(base)
  return unknown(notUnderstood(status))
}

async function lookupPayment(
  call: JsonCaller,
  base: string,
  paymentHash: Uint8Array,
): Promise<PaymentOutcome> {
  const answer = await call(`payments/${encodeHex(paymentHash)}`, { timeoutMs: LOOKUP_MS })
  if (answer.kind === 'refused') return unknown(`nothing answers at ${base}`)
  if (answer.kind === 'lost') return unknown(answer.detail)
  const { status, body } = answer
  // only the sandbox's own word counts: `not_found` lets the purse pay
  if (status === 404 && body['status'] === 'not_found') return { status: 'not_found' }
  if (status !== 200) return unknown(notUnderstood(status))
  switch (body['status']) {
    case 'paid':
    case 'paid_unproven':
      return paid(body, paymentHash)
    case 'failed':
      return failed(body)
    case 'pending':
      return { status: 'pending' }
    default:
      return unknown(textOf(body['detail'], notUnderstood(status)))
  }
}

async function balanceMsat(call: JsonCaller, base: string): Promise<bigint> {
  const answer = await call('balance', { timeoutMs: LOOKUP_MS })
  if (answer.kind === 'refused') throw notThere(base)
  if (answer.kind === 'lost') throw new L402Error('lightning_unavailable', `${base}: ${answer.detail}`)
  if (answer.status === 503) throw unavailable(base, answer.body)
  if (answer.status === 404) throw notThere(base)
  const balance = answer.status === 200 ? msatOf(answer.body['balanceMsat']) : undefined
  if (balance === undefined) {
    throw new L402Error(
      'lightning_invalid',
      `${base}: expected a balance, got ${notUnderstood(answer.status)}`,
    )
  }
  return balance
}

/** Paid only if the preimage is the right one: protocol C4. */
function paid(body: JsonAnswer, paymentHash: Uint8Array): PaymentOutcome {
  const preimage = decodeHex(textOf(body['preimage'], ''))
  const feeMsat = msatOf(body['feeMsat'])
  if (feeMsat !== undefined && isWithheld(body['preimage'])) return { status: 'paid_unproven', feeMsat }
  if (preimage?.length !== 32 || feeMsat === undefined) return unknown(notUnderstood(200))
  if (!equalBytes(sha256(preimage), paymentHash)) return unknown('the preimage is not that of the payment')
  return { status: 'paid', preimage, feeMsat }
}

/** Protocol C4: paid, and the wallet does not say by which preimage. */
function isWithheld(preimage: unknown): boolean {
  return preimage === undefined || preimage === null || preimage === ''
}

function failed(body: JsonAnswer): PaymentOutcome {
  return { status: 'failed', detail: textOf(body['detail'], 'no reason given') }
}

function unknown(detail: string): PaymentOutcome {
  return { status: 'unknown', detail }
}

function notUnderstood(status: number): string {
  return `an answer that is not understood (HTTP ${status})`
}

function notThere(base: string): L402Error {
  return new L402Error(
    'lightning_unavailable',
    `no sandbox wallet at ${base}; start a gateway there with: turnpike serve --sandbox`,
  )
}

function unavailable(base: string, body: JsonAnswer): L402Error {
  const why = textOf(body['detail'], 'the sandbox does not work')
  return new L402Error('lightning_unavailable', `${base}: ${why}`)
}

const MAX_DETAIL = 300

function textOf(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value.slice(0, MAX_DETAIL) : otherwise
}

/** A whole number of millisatoshi, as a number or as decimal text. */
function msatOf(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined
  return typeof value === 'string' && /^\d{1,19}$/.test(value) ? BigInt(value) : undefined
}

function loopbackUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TypeError('url must be an absolute URL such as http://127.0.0.1:9402')
  }
  const web = url.protocol === 'http:' || url.protocol === 'https:'
  // the URL standard has made every spelling of an IPv4 address dotted decimal
  const loopback = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (!web || !loopback || url.username !== '' || url.password !== '') {
    throw new L402Error(
      'sandbox_forbidden',
      `the sandbox wallet is play money on this machine: expected an http URL on 127.0.0.1, [::1] or localhost, got host ${url.hostname}`,
    )
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
}
