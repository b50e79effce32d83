/** A wallet on an lnd node, over REST: its router sends, and never pays one hash twice. */

import { encodeBase64 } from '../../core/bytes.ts'
import type { Network } from '../../core/network.ts'
import type { PaymentBackend, PaymentOutcome, PayRequest } from '../backend.ts'
import { identitiesOf } from '../lib/identity.ts'
import { assertOpen } from '../lib/invoice-terms.ts'
import { checkProof, payOnce } from '../lib/pay-once.ts'
import {
  answerOf,
  errorText,
  failCall,
  lookupAnswer,
  notUnderstood,
  paymentAnswer,
  type Rest,
  type RestAnswer,
} from '../lib/rest.ts'
import { hash32, type JsonObject, objectOf, textOf, wholeOf } from '../lib/values.ts'
import { lndPaymentCapabilities } from './capabilities.ts'
import {
  denied,
  expectNetwork,
  isDenied,
  type LndOptions,
  lndClient,
  networkByInfo,
  tryToPay,
} from './client.ts'

const URIS = [
  '/lnrpc.Lightning/GetInfo',
  '/lnrpc.Lightning/ChannelBalance',
  '/routerrpc.Router/SendPaymentV2',
  '/routerrpc.Router/TrackPaymentV2',
]
const bake = URIS.map((uri) => `uri:${uri}`).join(' ')
/** A payment's first try needs a little time, however hasty its buyer. */
const LEAST_SECONDS = 5

/**
 * A wallet on an lnd node. Its network and what its macaroon allows are found out first; one that can only pay is
 * enough: `lncli bakemacaroon uri:/lnrpc.Lightning/GetInfo uri:/lnrpc.Lightning/ChannelBalance
 * uri:/routerrpc.Router/SendPaymentV2 uri:/routerrpc.Router/TrackPaymentV2`.
 *
 * @throws like {@link lnd}.
 */
export async function lndWallet(options: LndOptions): Promise<PaymentBackend> {
  const rest = await lndClient(options)
  const told = await networkByInfo(rest, { lacks: URIS[0] ?? '', bake })
  const network = told ?? options.network
  if (network === undefined) {
    const answer: RestAnswer = { kind: 'answered', status: 500, body: { message: 'permission denied' } }
    throw denied(rest, answer, { lacks: URIS[0] ?? '', bake })
  }
  expectNetwork(rest.who, network, options.network)
  await checkMayPay(rest)
  return makeWallet(rest, network, options)
}

function makeWallet(rest: Rest, network: Network, { now }: LndOptions): PaymentBackend {
  const ended = new AbortController()
  const lookup = (paymentHash: Uint8Array): Promise<PaymentOutcome> => track(rest, paymentHash)
  const send = async (request: PayRequest): Promise<PaymentOutcome> => {
    const seconds = Math.max(LEAST_SECONDS, Math.ceil(request.timeoutMs / 1000))
    const json = {
      payment_request: request.invoice,
      ...(request.anyAmount === true ? { amt_msat: String(request.amountMsat) } : {}),
      fee_limit_msat: String(request.maxFeeMsat),
      timeout_seconds: Math.min(seconds, 24 * 3600),
      no_inflight_updates: true,
    }
    // lnd gives up by itself; the call ends a little later if the payment hangs.
    const call = { method: 'POST', json, timeoutMs: (seconds + 10) * 1000 } as const
    const answer = paymentAnswer(rest, await rest.call('v2/router/send', call))
    if ('detail' in answer) return answer
    const error = errorText(answer.body)
    if (isDenied(answer)) throw denied(rest, answer, { lacks: URIS[2] ?? '', bake })
    // Sent before, perhaps by somebody else with the same node.
    if (/already (exists|paid)|is already paid|in transition|AlreadyExists/i.test(error))
      return await lookup(request.paymentHash)
    if (answer.status !== 200) return sendFault(answer)
    return paymentOf(objectOf(answer.body), answer)
  }
  const pay = payOnce({ network, send, lookup, walletPaysOnce: true, now })
  return {
    network,
    paymentCapabilities: lndPaymentCapabilities,
    identities: identitiesOf(rest.who, async () => {
      const answer = answerOf(rest, await rest.call('v1/getinfo'))
      return objectOf(answer.body)['identity_pubkey']
    }),
    async pay(request) {
      assertOpen(rest.who, ended.signal)
      return await pay(request)
    },
    lookupPayment: async (paymentHash) => checkProof(await lookup(paymentHash), paymentHash),
    async balanceMsat() {
      assertOpen(rest.who, ended.signal)
      const answer = answerOf(rest, await rest.call('v1/balance/channels'))
      // A macaroon need not allow to ask.
      if (isDenied(answer)) return null
      const balance = wholeOf(objectOf(objectOf(answer.body)['local_balance'])['msat'])
      return answer.status === 200 && balance !== undefined ? balance : failCall(rest, answer)
    },
    async ping() {
      assertOpen(rest.who, ended.signal)
      await checkMayPay(rest)
    },
    async close() {
      ended.abort()
    },
  }
}

/** The first word of the stream is how the payment stands now. */
async function track(rest: Rest, paymentHash: Uint8Array): Promise<PaymentOutcome> {
  const hash = encodeBase64(paymentHash).replaceAll('+', '-').replaceAll('/', '_')
  const ended = new AbortController()
  const timer = setTimeout(() => ended.abort(), 10_000)
  try {
    for await (const line of rest.lines(`v2/router/track/${hash}`, { signal: ended.signal })) {
      const answer: RestAnswer = { kind: 'answered', status: 200, body: line }
      return isNotInitiated(line) ? { status: 'not_found' } : paymentOf(objectOf(line), answer)
    }
    return { status: 'unknown', detail: 'no answer to the look-up' }
  } catch (error) {
    const message = error instanceof Error ? error.message : ''
    if (/payment isn't initiated/.test(message)) return { status: 'not_found' }
    return { status: 'unknown', detail: textOf(message, 'the look-up failed') }
  } finally {
    clearTimeout(timer)
    ended.abort()
  }
}

function isNotInitiated(line: unknown): boolean {
  return /payment isn't initiated/.test(errorText(line))
}

function paymentOf(line: JsonObject, answer: RestAnswer): PaymentOutcome {
  const payment = objectOf(line['result'])
  switch (payment['status']) {
    case 'SUCCEEDED': {
      const preimage = hash32(payment['payment_preimage'])
      const feeMsat = wholeOf(payment['fee_msat'])
      return preimage === undefined || feeMsat === undefined
        ? notUnderstood(answer)
        : { status: 'paid', preimage, feeMsat }
    }
    case 'FAILED':
      return { status: 'failed', detail: reason(payment['failure_reason']) }
    case 'IN_FLIGHT':
    case 'INITIATED':
      return { status: 'pending' }
    default:
      return notUnderstood(answer)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  FAILURE_REASON_NO_ROUTE: 'no route to the payee within the fee limit',
  FAILURE_REASON_INSUFFICIENT_BALANCE: 'insufficient balance',
  FAILURE_REASON_INCORRECT_PAYMENT_DETAILS: 'the payee does not know the payment, or it has expired',
  FAILURE_REASON_TIMEOUT: 'no route was found in time',
  FAILURE_REASON_CANCELED: 'the payment was cancelled',
}

function reason(text: unknown): string {
  return REASONS[String(text)] ?? textOf(text, 'no reason given')
}

/** What lnd refuses before it sends anything; any other fault says nothing of the payment. */
function sendFault(answer: RestAnswer): PaymentOutcome {
  const error = errorText(answer.body)
  if (/invoice expired|invoice not for current active network|self-payments not allowed/.test(error))
    return { status: 'failed', detail: error }
  return { status: 'unknown', detail: textOf(error, `HTTP ${answer.status}`) }
}

/** Tries to pay nobody, and tracks a payment that nobody sent: lnd looks at the macaroon first. */
async function checkMayPay(rest: Rest): Promise<void> {
  const answer = answerOf(rest, await tryToPay(rest))
  if (isDenied(answer)) throw denied(rest, answer, { lacks: URIS[2] ?? '', bake })
  const hash = encodeBase64(new Uint8Array(32)).replaceAll('+', '-').replaceAll('/', '_')
  const tracked = lookupAnswer(await rest.call(`v2/router/track/${hash}`))
  if (!('detail' in tracked) && isDenied(tracked)) throw denied(rest, tracked, { lacks: URIS[3] ?? '', bake })
}
