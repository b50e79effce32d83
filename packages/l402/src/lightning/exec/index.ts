/**
 * A program of the user's own, for any node or wallet that has no backend here. It is started once per call, without
 * arguments: one JSON object on its standard input, one on its standard output, exit code 0.
 *
 * ```
 * {"method":"info"}                          → {"network":"mainnet"}  and, where so, "exactMsat":false, "capsFees":true
 * {"method":"create_invoice","amountMsat":"10000","memo":"…","expirySeconds":600} → {"invoice":"lnbc…"}
 * {"method":"lookup_invoice","paymentHash":"<hex>"}
 *     → {"state":"open" | "settled" | "cancelled" | "expired" | "unknown"}  and, where known, "amountMsat", "settledAt"
 * {"method":"pay","invoice":"lnbc…","paymentHash":"<hex>","amountMsat":"10000","maxFeeMsat":"500","timeoutMs":60000}
 * {"method":"lookup_payment","paymentHash":"<hex>"}
 *     → {"status":"paid","preimage":"<hex>","feeMsat":"0"} | {"status":"failed","detail":"…"}
 *       | {"status":"pending"} | {"status":"not_found"}
 * {"method":"balance"}                       → {"balanceMsat":"250000"} or {"balanceMsat":null}
 * ```
 */

import { isAbsolute } from 'node:path'
import { encodeHex } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import type { InvoiceBackend, PaymentBackend, PaymentOutcome } from '../backend.ts'
import { buyerWallet } from '../lib/buyer.ts'
import { expectNetwork, networkNamed } from '../lib/networks.ts'
import { seller } from '../lib/seller.ts'
import { hash32, type JsonObject, objectOf, textOf, wholeOf } from '../lib/values.ts'
import { execInvoiceCapabilities, execPaymentCapabilities } from './capabilities.ts'
import { callProgram, type ProgramOutcome } from './program.ts'

/** Which program to run. */
export interface ExecOptions {
  /** Absolute path of the program. */
  readonly program: string
  /** The network it must be on. */
  readonly network?: Network
  /** Milliseconds that any call but a payment may take; default 15 seconds. */
  readonly callTimeoutMs?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** The program, and what it says of itself. */
interface Program {
  readonly who: string
  readonly network: Network
  readonly info: JsonObject
  run(request: JsonObject, more?: RunOptions): Promise<ProgramOutcome>
  /** Throws `lightning_unavailable` where there is no answer. */
  ask(request: JsonObject, more?: RunOptions): Promise<JsonObject>
}

interface RunOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

const CALL_MS = 15_000

/**
 * Invoices that a program makes (`info`, `create_invoice`, `lookup_invoice`).
 *
 * @throws TypeError for a path that is not absolute, `lightning_unavailable` or `lightning_invalid`.
 */
export async function exec(options: ExecOptions): Promise<InvoiceBackend> {
  const program = await openProgram(options)
  const { who, network, info } = program
  const exactMsat = info['exactMsat'] !== false
  return seller({
    who,
    network,
    capabilities: { ...execInvoiceCapabilities, exactMsat },
    async create({ amountMsat, memo, expirySeconds, signal }) {
      const terms = { method: 'create_invoice', amountMsat: String(amountMsat), memo, expirySeconds }
      const made = await program.ask(terms, { signal })
      return { invoice: made['invoice'], paymentHash: hash32(made['paymentHash']) }
    },
    async lookup(paymentHash) {
      const found = await program.ask({ method: 'lookup_invoice', paymentHash: encodeHex(paymentHash) })
      const { state } = found
      if (state === 'settled')
        return {
          state,
          amountMsat: wholeOf(found['amountMsat']),
          settledAt: wholeOf(found['settledAt']),
        }
      if (state === 'open' || state === 'cancelled' || state === 'expired' || state === 'unknown')
        return state
      throw new L402Error('lightning_invalid', `${who}: an answer that is not understood`)
    },
    ping: async () => void (await program.ask({ method: 'info' })),
  })
}

/**
 * A wallet that is a program (`info`, `pay`, `lookup_payment`, `balance`). It is never asked to pay one hash twice.
 *
 * @throws like {@link exec}.
 */
export async function execWallet(options: ExecOptions): Promise<PaymentBackend> {
  const program = await openProgram(options)
  const { who, network, info } = program
  const capabilities = {
    ...execPaymentCapabilities,
    exactMsat: info['exactMsat'] !== false,
    capsFees: info['capsFees'] === true,
  }
  const lookup = async (paymentHash: Uint8Array): Promise<PaymentOutcome> =>
    outcomeOf(await program.run({ method: 'lookup_payment', paymentHash: encodeHex(paymentHash) }))
  return buyerWallet({
    who,
    network,
    capabilities,
    lookup,
    async send({ invoice, paymentHash, amountMsat, maxFeeMsat, timeoutMs }) {
      const order = {
        method: 'pay',
        invoice,
        paymentHash: encodeHex(paymentHash),
        amountMsat: String(amountMsat),
        maxFeeMsat: String(maxFeeMsat),
        timeoutMs,
      }
      const outcome = await program.run(order, { timeoutMs: timeoutMs + 30_000 })
      if (outcome.kind === 'refused')
        throw new L402Error('lightning_unavailable', `${who}: ${outcome.detail}`)
      const sent = outcomeOf(outcome)
      if (sent.status !== 'unknown' && sent.status !== 'not_found') return sent
      // It was started, so only its books can say what it has done.
      const known = await lookup(paymentHash)
      return known.status === 'not_found' ? asUnknown(sent) : known
    },
    async balance() {
      const { balanceMsat } = await program.ask({ method: 'balance' })
      return wholeOf(balanceMsat) ?? null
    },
    ping: async () => void (await program.ask({ method: 'info' })),
    now: options.now,
  })
}

function asUnknown(outcome: PaymentOutcome): PaymentOutcome {
  const detail = 'detail' in outcome ? outcome.detail : 'the program has not said what became of it'
  return { status: 'unknown', detail }
}

/** What an answer says of a payment; anything that is not understood is unknown (rule C3). */
function outcomeOf(outcome: ProgramOutcome): PaymentOutcome {
  if (outcome.kind !== 'answered') return { status: 'unknown', detail: outcome.detail }
  const body = objectOf(outcome.body)
  const feeMsat = wholeOf(body['feeMsat'])
  const preimage = hash32(body['preimage'])
  switch (body['status']) {
    case 'paid':
      if (feeMsat === undefined) break
      return preimage === undefined
        ? { status: 'paid_unproven', feeMsat }
        : { status: 'paid', preimage, feeMsat }
    case 'failed':
      return { status: 'failed', detail: textOf(body['detail'], 'the payment failed') }
    case 'pending':
    case 'not_found':
      return { status: body['status'] }
    default:
  }
  return { status: 'unknown', detail: 'an answer that is not understood' }
}

async function openProgram(options: ExecOptions): Promise<Program> {
  const { program: file, callTimeoutMs = CALL_MS } = options
  if (!isAbsolute(file) || file.includes('\0'))
    throw new TypeError('exec: program: expected the absolute path of a program')
  const who = `exec ${file}`
  const run = (request: JsonObject, { timeoutMs = callTimeoutMs, signal }: RunOptions = {}) =>
    callProgram({ file, request, timeoutMs, signal })
  const ask = async (request: JsonObject, more?: RunOptions): Promise<JsonObject> => {
    const outcome = await run(request, more)
    if (outcome.kind !== 'answered') throw new L402Error('lightning_unavailable', `${who}: ${outcome.detail}`)
    const { body } = outcome
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return objectOf(body)
    throw new L402Error('lightning_invalid', `${who}: expected one JSON object on its standard output`)
  }
  const info = await ask({ method: 'info' })
  const network = expectNetwork(who, networkNamed(who, info['network']), options.network)
  return { who, network, info, run, ask }
}
