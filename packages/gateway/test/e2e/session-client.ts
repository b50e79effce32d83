/** A client of sessions (draft-lightning-session-00), as far as a test plays one. */

import {
  decodeJsonObject,
  formatPaymentCredential,
  type JsonObject,
  type PaymentChallenge,
  parsePaymentChallenges,
} from '@turnpike/l402/payment-scheme'
import { encodeInvoice } from '../../../l402/src/core/bolt11/index.ts'
import { ask, type Response } from './client.ts'
import { type Program, pay } from './program.ts'

/** What is asked for. */
export interface Asked {
  readonly method?: string
  readonly path: string
}

/** The session that a request without a credential is offered. */
export async function offer(
  gateway: Pick<Program, 'url'>,
  { method = 'GET', path }: Asked,
): Promise<PaymentChallenge> {
  const refused = await ask(gateway.url, method, path, { headers: { 'Accept-Payment': 'lightning/session' } })
  const [found] = parsePaymentChallenges(refused.all('www-authenticate'))
  if (found === undefined) throw new Error('expected a session to be offered')
  const { doubtful, ...challenge } = found
  return challenge
}

/** A challenge, and the preimage of its deposit, paid. */
export interface Deposit {
  readonly challenge: PaymentChallenge
  readonly preimage: string
  readonly sessionId: string
}

/** Pays what is offered. */
export async function deposit(gateway: Pick<Program, 'url' | 'admin'>, asked: Asked): Promise<Deposit> {
  const challenge = await offer(gateway, asked)
  const { depositInvoice, paymentHash } = decodeJsonObject(challenge.request) ?? {}
  const preimage = await pay(gateway.admin, String(depositInvoice))
  return { challenge, preimage, sessionId: String(paymentHash) }
}

/** The line that carries an action. */
export function lineOf(challenge: PaymentChallenge, payload: JsonObject): string {
  return formatPaymentCredential({ challenge, payload })
}

/** Does an action and reads the whole answer. */
export function act(
  gateway: Pick<Program, 'url'>,
  { method = 'GET', path }: Asked,
  { challenge, payload }: { readonly challenge: PaymentChallenge; readonly payload: JsonObject },
): Promise<Response> {
  const headers = { Authorization: lineOf(challenge, payload), 'Accept-Payment': 'lightning/session' }
  return ask(gateway.url, method, path, { headers })
}

/** An invoice to be paid back to; each of another hash. */
export function returnInvoice(): string {
  const fields = { network: 'regtest', amountMsat: null, timestamp: Math.floor(Date.now() / 1000) } as const
  const hash = crypto.getRandomValues(new Uint8Array(32))
  const key = new Uint8Array(32).fill(1)
  return encodeInvoice({ ...fields, description: 'back', paymentHash: hash, paymentSecret: hash }, key)
}
