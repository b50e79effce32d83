/** A 402 as a tool's result, and back. */

import { findL402Challenges } from '../core/challenge.ts'
import { decodeJsonObject, parsePaymentChallenges } from '../core/payment-scheme/index.ts'
import { isTable, L402_META, type L402Offered, PAYMENT_REQUIRED_META, type ToolResult } from './wire.ts'

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
  const payments = parsePaymentChallenges(values).flatMap((challenge) => {
    const { id, realm, method, intent, request, expires, digest, description, opaque } = challenge
    const native = decodeJsonObject(request)
    if (native === undefined) return []
    // The transport's form: the request as JSON, everything else as in the header.
    const optional = { expires, digest, description, opaque }
    const given = Object.entries(optional).filter(([, value]) => value !== undefined)
    return [{ id, realm, method, intent, request: native, ...Object.fromEntries(given) }]
  })
  const msat = problem['priceMsat']
  const price = typeof msat === 'string' || typeof msat === 'number' ? ` Its price is ${msat} msat.` : ''
  const text = `Payment required for the tool ${priced}.${price} A client that pays over Lightning (L402) can call it again with proof of payment.`
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

/**
 * The `WWW-Authenticate` value that `_meta` (or an error's `data`) amounts to, for the client's own gate to read; `null`
 * where no payment is asked for. What is malformed stays so.
 */
export function challengeIn(meta: unknown): string | null {
  if (!isTable(meta)) return null
  const l402 = meta[L402_META]
  const lines: string[] = []
  if (isTable(l402) && Array.isArray(l402['challenges']))
    for (const one of l402['challenges'].slice(0, 8)) lines.push(lineOf(one))
  // Another scheme: asked for, and not to be met by L402.
  if (isTable(meta[PAYMENT_REQUIRED_META]) || Array.isArray(meta['challenges'])) lines.push('Payment id="-"')
  return lines.length === 0 ? null : lines.join(', ')
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
