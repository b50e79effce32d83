/** Tokens, payments, revocations, refunds. */

import { decodeHex } from '@turnpike/l402'
import { callRefundAccount, type Sale, type SoldToken, saleState } from '@turnpike/l402/server'
import { z } from 'zod'
import type { RefundAnswer } from '../../sales/refunds.ts'
import type { AdminTarget } from '../target.ts'
import { type Operation, operation, problem } from './operation.ts'
import {
  hexParam,
  pageOf,
  paymentDetailSchema,
  paymentSchema,
  refundBody,
  refundSchema,
  revocationBody,
  salesQuery,
  shownPayment,
  shownRefund,
  shownTime,
  tokenDetailSchema,
  tokenSchema,
  tokensQuery,
} from './schemas.ts'

const revoked = z.strictObject({
  revoked: z.strictObject({ tokenId: z.string().optional(), paymentHash: z.string().optional() }),
})

/** The operations on what was sold. */
export const salesOperations: readonly Operation[] = [
  operation({
    id: 'listTokens',
    method: 'GET',
    path: '/tokens',
    scope: 'read',
    summary: 'What was sold, by token id, the newest first.',
    query: tokensQuery,
    answers: { 200: pageOf(tokenSchema) },
    async handle({ query: { limit, cursor, ...rest }, target }) {
      const { items, next } = await target.journal.tokens(listing(limit, cursor, rest))
      return { status: 200, body: { items: items.map(shownToken), next } }
    },
  }),
  operation({
    id: 'showToken',
    method: 'GET',
    path: '/tokens/{tokenId}',
    scope: 'read',
    summary: 'One token: its payments, its balance, its counters.',
    params: { tokenId: hexParam },
    answers: { 200: tokenDetailSchema },
    async handle({ params, target }) {
      const token = await target.journal.token(idOf(params, 'tokenId'))
      if (token === undefined)
        return problem(404, 'unknown_token', 'no payment under this token id is written down')
      return { status: 200, body: await tokenDetail(token, target) }
    },
  }),
  operation({
    id: 'listPayments',
    method: 'GET',
    path: '/payments',
    scope: 'read',
    summary: 'Payments, the newest first.',
    query: salesQuery,
    answers: { 200: pageOf(paymentSchema) },
    async handle({ query: { limit, cursor, ...rest }, target }) {
      const { items, next } = await target.journal.sales(listing(limit, cursor, rest))
      return { status: 200, body: { items: items.map(shownPayment), next } }
    },
  }),
  operation({
    id: 'showPayment',
    method: 'GET',
    path: '/payments/{paymentHash}',
    scope: 'read',
    summary: 'One payment: what it bought, what is left, what was given back.',
    params: { paymentHash: hexParam },
    answers: { 200: paymentDetailSchema },
    async handle({ params, target }) {
      const sale = await target.journal.sale(idOf(params, 'paymentHash'))
      if (sale === undefined)
        return problem(404, 'unknown_payment', 'no payment with this hash is written down')
      return { status: 200, body: await paymentDetail(sale, target) }
    },
  }),
  operation({
    id: 'revoke',
    method: 'POST',
    path: '/revocations',
    scope: 'write',
    summary: 'Revokes a token or one payment, for good, on every gateway that shares the store.',
    body: revocationBody,
    answers: { 201: revoked },
    subject: ({ body }) => Object.values(body).join(),
    async handle({ body, target }) {
      const key = decodeHex(Object.values(body).join()) ?? new Uint8Array()
      await target.ledger.revoke('tokenId' in body ? { tokenId: key } : { paymentHash: key })
      // The books decide; the journal shows it.
      target.onEvents(
        await target.journal.revoked(body, { atMs: Date.now(), subscribers: target.subscribers() }),
      )
      return { status: 201, body: { revoked: body } }
    },
  }),
  operation({
    id: 'refund',
    method: 'POST',
    path: '/refunds',
    scope: 'write',
    summary: 'Gives back calls or credit that were used, or writes down that a pass was paid back elsewhere.',
    body: refundBody,
    headers: ['Idempotency-Key'],
    answers: { 200: refundSchema, 201: refundSchema },
    subject: ({ body }) => body.paymentHash,
    async handle({ body: { amountMsat, calls, ...body }, idempotencyKey, who, target }) {
      const answer = await target.refunds.give({
        ...body,
        ...(calls === undefined ? {} : { calls }),
        ...(amountMsat === undefined ? {} : { amountMsat: BigInt(amountMsat) }),
        idempotencyKey: idempotencyKey ?? crypto.randomUUID(),
        by: who.name,
      })
      if (answer.ok) return { status: answer.isNew ? 201 : 200, body: shownRefund(answer.refund) }
      return problem(REFUND_STATUS[answer.code], answer.code, answer.detail)
    },
  }),
]

const REFUND_STATUS: Readonly<Record<Exclude<RefundAnswer, { ok: true }>['code'], number>> = {
  unknown_payment: 404,
  wrong_unit: 422,
  nothing_to_refund: 409,
  too_much: 409,
  revoked: 409,
  conflict: 409,
}

function idOf(params: Readonly<Record<string, string>>, name: string): string {
  return (params[name] ?? '').toLowerCase()
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

function listing<T extends object>(
  limit: string,
  cursor: string | undefined,
  filters: T,
): { readonly limit: number; readonly cursor?: string } & Defined<T> {
  const given = Object.fromEntries(
    Object.entries(filters).filter(([, value]) => value !== undefined),
  ) as Defined<T>
  return { limit: Number(limit), ...(cursor === undefined ? {} : { cursor }), ...given }
}

function shownToken({ tokenId, sales }: SoldToken): z.infer<typeof tokenSchema> {
  const newest = sales.at(-1)
  return {
    tokenId,
    payments: sales.length,
    amountMsat: sales.reduce((sum, sale) => sum + Number(sale.amountMsat ?? 0n), 0),
    services: [...new Set(sales.map(({ service }) => service))],
    state: newest === undefined ? 'settled' : saleState(newest),
    firstPaidAt: shownTime(sales[0]?.settledAtMs ?? 0),
    lastPaidAt: shownTime(newest?.settledAtMs ?? 0),
  }
}

async function tokenDetail(
  token: SoldToken,
  target: AdminTarget,
): Promise<z.infer<typeof tokenDetailSchema>> {
  const key = decodeHex(token.tokenId) ?? new Uint8Array(32)
  const [account] = await target.ledger.read([key])
  const { credited, used = 0n, lost = 0n } = account ?? {}
  const items: z.infer<typeof paymentDetailSchema>[] = []
  for (const sale of token.sales) items.push(await paymentDetail(sale, target))
  return {
    ...shownToken(token),
    credit:
      credited === undefined
        ? null
        : {
            creditedMsat: Number(credited),
            usedMsat: Number(used),
            leftMsat: Number(credited - used),
            lostMsat: Number(lost),
          },
    items,
  }
}

async function paymentDetail(
  sale: Sale,
  { ledger, journal }: AdminTarget,
): Promise<z.infer<typeof paymentDetailSchema>> {
  const refunds =
    sale.refundedAtMs === null && sale.refundedCalls === 0 && sale.refundedMsat === 0n
      ? []
      : await journal.refundsOf(sale.paymentHash)
  const key = sale.callsKey === null ? undefined : (decodeHex(sale.callsKey) ?? undefined)
  const hash = decodeHex(sale.paymentHash) ?? new Uint8Array(32)
  const bought = sale.grants.calls
  let calls: z.infer<typeof paymentDetailSchema>['calls'] = null
  if (key !== undefined && bought !== null) {
    const [counter, back] = await ledger.read([key, callRefundAccount(hash)])
    const refunded = Number(back?.credited ?? 0n)
    const used = Number(counter?.used ?? 0n) + (refunded === 0 ? 0 : Number(back?.used ?? 0n))
    calls = { bought, refunded, used, left: bought + refunded - used }
  }
  return { ...shownPayment(sale), calls, refunds: refunds.map(shownRefund) }
}
