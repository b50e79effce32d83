/** What the admin API takes and gives. The OpenAPI document is made of these. Amounts are whole msat, times RFC 3339. */

import { type Refund, type Sale, saleState } from '@turnpike/l402/server'
import { z } from 'zod'

const expected = (what: string): { error: () => string } => ({ error: () => what })

/** 64 hex digits, made lower case. */
const hexId = z
  .string(expected('64 hex digits'))
  .regex(/^[0-9a-fA-F]{64}$/, expected('64 hex digits'))
  .transform((text) => text.toLowerCase())

/** Parts of paths. */
export const hexParam = { pattern: /^[0-9a-fA-F]{64}$/, expected: '64 hex digits' } as const

const states = ['settled', 'redeemed', 'exhausted', 'refunded', 'revoked'] as const
const time = z.iso.datetime()
const maybeTime = time.nullable()
const msat = z.int()

/** `limit` and `cursor` of lists. */
export const pageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^(?:[1-9][0-9]{0,2}|1000)$/, expected('a number from 1 to 1000'))
    .default('50')
    .describe('Most entries in the answer, 1 to 1000; default 50.'),
  cursor: z
    .string()
    .max(300, expected('the "next" of the page before'))
    .optional()
    .describe('The "next" of the page before.'),
})

const prefix = z
  .string()
  .regex(/^[0-9a-fA-F]{1,64}$/, expected('the beginning of an id, 1 to 64 hex digits'))
  .transform((text) => text.toLowerCase())

export const salesQuery = pageQuery.extend({
  service: z.string().optional().describe('Of this service alone.'),
  state: z
    .enum(states, expected(states.join(' or ')))
    .optional()
    .describe('In this state alone.'),
  search: prefix.optional().describe('Beginning of the payment hash.'),
})

export const tokensQuery = pageQuery.extend({
  service: z.string().optional().describe('With a payment for this service.'),
  search: prefix.optional().describe('Beginning of the token id.'),
})

export const spanQuery = z.strictObject({
  from: z.iso
    .datetime(expected('a time such as 2026-01-31T12:00:00Z'))
    .optional()
    .describe('Default: a day before.'),
  to: z.iso.datetime(expected('a time such as 2026-01-31T12:00:00Z')).optional().describe('Default: now.'),
  step: z.enum(['hour', 'day'], expected('hour or day')).default('hour').describe('Length of an interval.'),
  service: z.string().optional().describe('Of this service alone.'),
})

export const paymentSchema = z.strictObject({
  paymentHash: z.string(),
  tokenId: z.string(),
  service: z.string(),
  route: z.string(),
  state: z.enum(states),
  amountMsat: msat.nullable().describe('What was paid.'),
  amountExact: z.boolean().describe("False: the route's price when the credential came first."),
  grants: z.strictObject({
    calls: z.int().nullable(),
    creditMsat: msat.nullable(),
    validSeconds: z.int().nullable(),
  }),
  settledAt: time,
  redeemedAt: maybeTime,
  exhaustedAt: maybeTime,
  revokedAt: maybeTime,
  refundedAt: maybeTime,
  refundedCalls: z.int(),
  refundedMsat: msat,
  endsAt: maybeTime,
})

export const refundSchema = z.strictObject({
  id: z.string(),
  paymentHash: z.string(),
  tokenId: z.string(),
  kind: z.enum(['calls', 'credit', 'note']),
  amount: z.int().describe('Calls, or msat.'),
  reason: z.string(),
  by: z.string(),
  at: time,
  applied: z.boolean(),
})

/** A list's page. */
export function pageOf<T extends z.ZodType>(
  item: T,
): z.ZodObject<{ items: z.ZodArray<T>; next: z.ZodNullable<z.ZodString> }> {
  return z.strictObject({ items: z.array(item), next: z.string().nullable() })
}

const callsLeft = z
  .strictObject({ bought: z.int(), refunded: z.int(), used: z.int(), left: z.int() })
  .nullable()
  .describe('Null: it bought no calls, or has not been used yet.')

export const paymentDetailSchema = paymentSchema.extend({ calls: callsLeft, refunds: z.array(refundSchema) })

export const tokenSchema = z.strictObject({
  tokenId: z.string(),
  payments: z.int(),
  amountMsat: msat,
  services: z.array(z.string()),
  state: z.enum(states).describe('Of the newest payment.'),
  firstPaidAt: time,
  lastPaidAt: time,
})

export const tokenDetailSchema = tokenSchema.extend({
  credit: z.strictObject({ creditedMsat: msat, usedMsat: msat, leftMsat: msat, lostMsat: msat }).nullable(),
  items: z.array(paymentDetailSchema),
})

export const revocationBody = z.union(
  [z.strictObject({ tokenId: hexId }), z.strictObject({ paymentHash: hexId })],
  expected('{"tokenId": "<64 hex digits>"} or {"paymentHash": "<64 hex digits>"}'),
)

export const refundBody = z.strictObject({
  paymentHash: hexId,
  calls: z
    .int(expected('a whole number of calls'))
    .min(1, expected('at least one call'))
    .optional()
    .describe('Of a bundle; left out: all that were used.'),
  amountMsat: z
    .int(expected('a whole number of msat'))
    .min(1, expected('at least 1 msat'))
    .optional()
    .describe('Of credit: left out, all that was used. Of a pass: what was paid back elsewhere.'),
  reason: z.string(expected('a text')).max(500, expected('at most 500 characters')).default(''),
})

export const auditSchema = z.strictObject({
  at: time,
  who: z.string(),
  what: z.string(),
  subject: z.string(),
  status: z.int(),
})

export const deadLetterSchema = z.strictObject({
  id: z.string(),
  receiver: z.string(),
  url: z.string().nullable(),
  type: z.enum(states),
  tokenId: z.string(),
  createdAt: time,
  diedAt: time,
  attempts: z.int(),
  why: z.string(),
})

export const webhooksSchema = z.strictObject({
  waiting: z.int(),
  dead: z.int(),
  dropped: z.int().describe('Messages that were not kept because too many waited.'),
  receivers: z.array(z.strictObject({ name: z.string(), url: z.string(), events: z.array(z.string()) })),
})

export const redeliveryBody = z.strictObject({
  id: z.string(expected('the id of an event')),
  receiver: z.string(expected('a receiver')),
})

export const seriesSchema = z.strictObject({
  from: time,
  to: time,
  step: z.enum(['hour', 'day']),
  points: z.array(
    z.strictObject({ at: time, service: z.string(), route: z.string(), sales: z.int(), amountMsat: msat }),
  ),
})

export const statsSchema = z.strictObject({
  startedAt: time,
  from: time,
  to: time,
  sales: z.int(),
  amountMsat: msat,
  services: z.array(
    z.strictObject({ service: z.string(), route: z.string(), sales: z.int(), amountMsat: msat }),
  ),
  counters: z.record(z.string(), z.number()).describe('Since the start of this gateway, by name.'),
})

export const keySchema = z.strictObject({
  id: z.string(),
  createdAt: maybeTime,
  state: z.enum(['mints', 'opens', 'retired']),
})

export const problemSchema = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(z.string()).optional(),
})

const iso = (ms: number): string => new Date(ms).toISOString()
const maybeIso = (ms: number | null): string | null =>
  ms === null || !(Math.abs(ms) <= 8.64e15) ? null : iso(ms)

/** A sale as it is shown. */
export function shownPayment(sale: Sale): z.infer<typeof paymentSchema> {
  const { paymentHash, tokenId, service, route, amountMsat, amountExact, grants } = sale
  return {
    paymentHash,
    tokenId,
    service,
    route,
    state: saleState(sale),
    amountMsat: amountMsat === null ? null : Number(amountMsat),
    amountExact,
    grants: { ...grants, creditMsat: grants.creditMsat === null ? null : Number(grants.creditMsat) },
    settledAt: iso(sale.settledAtMs),
    redeemedAt: maybeIso(sale.redeemedAtMs),
    exhaustedAt: maybeIso(sale.exhaustedAtMs),
    revokedAt: maybeIso(sale.revokedAtMs),
    refundedAt: maybeIso(sale.refundedAtMs),
    refundedCalls: sale.refundedCalls,
    refundedMsat: Number(sale.refundedMsat),
    endsAt: maybeIso(sale.endsAtMs),
  }
}

/** A refund as it is shown. */
export function shownRefund({ key, atMs, amount, ...refund }: Refund): z.infer<typeof refundSchema> {
  return { ...refund, id: key, amount: Number(amount), at: iso(atMs) }
}

/** A time as it is shown. */
export const shownTime = iso
