/** A 402 as a tool's result, and back. */

import { findL402Challenges } from '../core/challenge.ts'
import { parsePaymentChallenges } from '../core/payment-scheme/index.ts'
import { challengeJson, challengeLine } from './payment-meta.ts'
import {
  isTable,
  L402_META,
  type L402Offered,
  PAYMENT_FAILED_CODE,
  PAYMENT_REQUIRED_CODE,
  PAYMENT_REQUIRED_META,
  type ToolResult,
} from './wire.ts'

/** Members of a problem that are safe to repeat: no macaroon among them. */
const PROBLEM = [
  'type',
  'title',
  'status',
  'detail',
  'code',
  'priceSats',
  'priceMsat',
  'paymentHash',
  'expiresAt',
]

/** What the tool answers in place of its result. `priced` is the tool's name. */
export async function requiredResult(response: Response, priced: string): Promise<ToolResult> {
  const header = response.headers.get('www-authenticate')
  const values = header === null ? [] : [header]
  const problem = await problemOf(response)
  const l402 = findL402Challenges(values)
    .filter(({ scheme }) => scheme === 'L402')
    .map(({ macaroon, invoice }): L402Offered => ({ scheme: 'L402', macaroon, invoice }))
  const payments = parsePaymentChallenges(values).flatMap(({ doubtful: _, ...challenge }) => {
    const native = challengeJson(challenge)
    return native === undefined ? [] : [native]
  })
  const msat = problem['priceMsat']
  const price = typeof msat === 'string' || typeof msat === 'number' ? ` Its price is ${msat} msat.` : ''
  const text = `Payment required for the tool ${priced}.${price} A client that pays over Lightning can call it again with proof of payment.`
  return {
    isError: true,
    content: [{ type: 'text', text }],
    _meta: {
      [L402_META]: { status: 402, code: problem['code'] ?? null, challenges: l402 },
      ...(payments.length === 0
        ? {}
        : { [PAYMENT_REQUIRED_META]: { httpStatus: 402, challenges: payments, problem } }),
    },
  }
}

async function problemOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  try {
    const body: unknown = await response.json()
    if (!isTable(body)) return {}
    return Object.fromEntries(PROBLEM.filter((name) => name in body).map((name) => [name, body[name]]))
  } catch {
    return {}
  }
}

/** Challenges of one scheme that are read: no server needs more. */
const MOST_CHALLENGES = 8

/**
 * The `WWW-Authenticate` value that a result's `_meta` amounts to, for the client's own gate to read; `null` where no payment
 * is asked for. What is malformed stays so.
 */
export function challengeIn(meta: unknown): string | null {
  if (!isTable(meta)) return null
  const required = meta[PAYMENT_REQUIRED_META]
  const lines = listIn(meta[L402_META]).map(lineOf)
  // The transport's own word for a payment: there is always a charge then, if only a malformed one.
  if (isTable(required)) {
    const payments = listIn(required).map(challengeLine)
    lines.push(...(payments.length === 0 ? [challengeLine(null)] : payments))
  }
  return lines.length === 0 ? null : lines.join(', ')
}

/** The same for what a call failed with: the transport has two numbers, and what tells is in the data. */
export function challengeInError(error: unknown): string | null {
  if (!isTable(error) || !isTable(error['data'])) return null
  const { code, data } = error
  if (code !== PAYMENT_REQUIRED_CODE && code !== PAYMENT_FAILED_CODE) return null
  const beside = isTable(data['_meta']) ? data['_meta'] : {}
  const own = Array.isArray(data['challenges']) ? { [PAYMENT_REQUIRED_META]: data } : {}
  return challengeIn({ ...data, ...own, ...beside })
}

function listIn(said: unknown): readonly unknown[] {
  const list = isTable(said) ? said['challenges'] : undefined
  return Array.isArray(list) ? list.slice(0, MOST_CHALLENGES) : []
}

function lineOf(one: unknown): string {
  const { macaroon, invoice } = isTable(one) ? one : {}
  const fits =
    typeof macaroon === 'string' &&
    typeof invoice === 'string' &&
    /^[0-9A-Za-z+/=_.~-]{1,16384}$/.test(macaroon) &&
    /^[0-9A-Za-z]{1,8192}$/.test(invoice)
  return fits ? `L402 macaroon="${macaroon}", invoice="${invoice}"` : 'L402 macaroon=""'
}
