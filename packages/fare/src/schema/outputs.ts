/** The shape of everything that `--json` and `--events` write. Loaded by `fare schema` and by tests alone. */

import { z } from 'zod'
import { EXIT, EXIT_OF } from '../exit-codes.ts'

const msat = z
  .string()
  .regex(/^[0-9]+$/)
  .describe('millisatoshi as decimal text')
const time = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/)
  .describe('UTC, e.g. 2026-11-24 10:15:00Z')
const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .describe('payment hash, lower-case hex')
const id = z
  .string()
  .regex(/^[0-9a-f]+$/)
  .describe('short hex, safe to show')
const count = z.int().nonnegative()
const exitCode = z.literal(Object.values(EXIT)).describe('the exit code of the process')
const ending = z.enum(Object.keys(EXIT_OF) as [keyof typeof EXIT_OF, ...(keyof typeof EXIT_OF)[]])
const ok = z.literal(true)
const fetched = z.literal(EXIT.fetched)

const asks = z
  .enum(['threshold', 'price_jump'])
  .nullable()
  .describe('why somebody has to approve it; null where nobody has to')

const error = z.strictObject({
  code: ending,
  reason: z.string().nullable().describe('why policy did not pay, or the challenge is not payable'),
  message: z.string().describe('what happened to the money first'),
})

const offerFields = {
  scheme: z.enum(['L402', 'Payment']).describe('Payment buys one call'),
  paymentHash: hash,
  amountMsat: msat,
  maxFeeMsat: msat.describe('fee reserve: most that would be paid on top, in millisatoshi'),
  payee: z.string().regex(/^[0-9a-f]{66}$/),
  network: z.string(),
  expiresAt: z.int().describe('Unix seconds'),
  description: z.string().nullable(),
  caveats: z.array(z.string()),
}
const offer = z.strictObject(offerFields)
const overBudget = z.strictObject({
  ok: z.literal(false),
  limit: z.string(),
  limitMsat: msat,
  wouldBeMsat: msat,
})

const purchaseFields = {
  paymentHash: hash,
  origin: z.url(),
  amountMsat: msat,
  feeMsat: msat,
  credentialId: id,
  resumed: z.boolean().describe('paid by an earlier run'),
}

const get = z.strictObject({
  ok: z.boolean(),
  exitCode,
  outcome: ending,
  url: z.url(),
  status: z.int().nullable(),
  headers: z.record(z.string(), z.string()).nullable(),
  body: z.string().nullable(),
  bodyEncoding: z.enum(['utf-8', 'base64']).nullable(),
  bodyBytes: count.nullable(),
  resumedFrom: count.nullable().describe('bytes that were in the file already and stayed'),
  outputFile: z.string().nullable(),
  paid: z.boolean(),
  spentMsat: msat,
  purchases: z.array(z.strictObject(purchaseFields)),
  reused: z.boolean(),
  credentialId: z.string().nullable(),
  paymentHash: z.string().nullable(),
  offer: offer.nullable(),
  overBudget: overBudget.nullable(),
  error: error.nullable(),
  durationMs: count,
})

const quote = z.union([
  z.strictObject({ ok, exitCode: fetched, charged: z.literal(false), url: z.url(), status: z.int() }),
  z.strictObject({ ok: z.literal(false), exitCode, url: z.url(), offer: offer.nullable(), error }),
  z.strictObject({
    ok,
    exitCode: fetched,
    charged: z.literal(true),
    ...offerFields,
    id,
    method: z.string(),
    requestUrl: z.url(),
    url: z.url(),
    heldCredentialId: z.string().nullable(),
    wouldPay: z.boolean(),
    asks,
    refusal: z
      .strictObject({
        kind: z.enum(['refused', 'unpayable']),
        reason: z.string(),
        detail: z.string(),
        overBudget: overBudget.nullable(),
      })
      .nullable(),
  }),
])

const token = z.strictObject({
  id,
  origin: z.url(),
  boughtFor: z.string(),
  boughtAt: time,
  lastUsedAt: time.nullable(),
  costMsat: msat,
  caveats: z.array(z.string()),
  rejectedFor: z.array(z.string()),
})

const payment = z.strictObject({
  paymentHash: hash,
  at: time,
  host: z.string(),
  request: z.string(),
  amountMsat: msat,
  feeMsat: msat,
  maxFeeMsat: msat,
  costMsat: msat.describe('what it counts for in millisatoshi, fees included'),
  state: z.enum(['reserved', 'in_flight', 'settled', 'failed', 'unknown', 'paid_unproven']),
  served: z.enum(['unserved', 'redeemed', 'not_served']),
  lastStatus: z.int().nullable(),
  payee: z.string(),
  task: z.string().describe('tag of at most 64 characters, empty for none'),
  detail: z.string(),
  writtenOff: z.boolean().describe('given up by its owner, and unknown still'),
  fiat: z
    .strictObject({ currency: z.string(), amount: z.string(), rate: z.string().describe('for one bitcoin') })
    .nullable()
    .describe('what it was worth then, as decimal text; null where nobody knew the rate'),
})

const payments = z.strictObject({
  ok,
  payments: z.array(payment),
  summary: z.strictObject({
    payments: count,
    spentMsat: msat,
    served: count,
    msatPerServed: msat.nullable(),
    fiat: z.array(z.strictObject({ currency: z.string(), amount: z.string() })),
  }),
})

const grant = z.strictObject({
  id,
  state: z.enum(['good', 'expired', 'revoked']),
  totalMsat: msat,
  requestMsat: msat.nullable(),
  spentMsat: msat.describe('spent or held, fees included, in millisatoshi'),
  hosts: z.array(z.string()),
  expiresAt: time,
  createdAt: time,
  task: z.string(),
})

const recover = z.strictObject({
  ok: z.boolean(),
  exitCode,
  recovered: z.array(
    z.strictObject({
      paymentHash: hash,
      origin: z.url(),
      url: z.url(),
      amountMsat: msat,
      state: z.enum(['settled', 'failed', 'paid_unproven', 'unknown']),
      detail: z.string(),
      writtenOff: z.boolean().describe('given up by its owner, and unknown still'),
    }),
  ),
})

// What may be limited grows; the limits themselves are read by name.
const budget = z.strictObject({
  ok,
  limits: z.looseObject({ overall: z.looseObject({}), hosts: z.record(z.string(), z.looseObject({})) }),
  spent: z.looseObject({ hourMsat: msat, dayMsat: msat, totalMsat: msat, count }),
})

const event = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('request'),
    method: z.string(),
    url: z.url(),
    credentialId: z.string().nullable(),
  }),
  z.strictObject({ type: z.literal('response'), url: z.url(), status: z.int() }),
  z.strictObject({ type: z.literal('redirect'), url: z.url(), to: z.url(), status: z.int() }),
  z.strictObject({ type: z.literal('credential_rejected'), credentialId: id, scope: z.string() }),
  z.strictObject({ type: z.literal('challenge'), url: z.url(), ...offerFields }),
  z.strictObject({ type: z.literal('refused'), reason: z.string(), detail: z.string() }),
  z.strictObject({ type: z.literal('waiting'), scope: z.string() }),
  z.strictObject({ type: z.literal('asking'), paymentHash: hash, asks: asks.unwrap() }),
  z.strictObject({ type: z.literal('reserved'), paymentHash: hash, amountMsat: msat, maxFeeMsat: msat }),
  z.strictObject({ type: z.literal('paying'), paymentHash: hash, amountMsat: msat }),
  z.strictObject({ type: z.literal('paid'), ...purchaseFields }),
  z.strictObject({ type: z.literal('payment_failed'), paymentHash: hash, detail: z.string() }),
  z.strictObject({ type: z.literal('payment_unknown'), paymentHash: hash, detail: z.string() }),
  z.strictObject({ type: z.literal('paid_unproven'), paymentHash: hash, detail: z.string() }),
  z.strictObject({
    type: z.literal('served'),
    status: z.int(),
    credentialId: z.string().nullable(),
  }),
  z.strictObject({ type: z.literal('not_served'), status: z.int(), paymentHash: hash }),
  z.strictObject({ type: z.literal('end'), exitCode, outcome: ending, message: z.string() }),
])

/** By the name that `fare schema` takes: a command's words, or `event` and `error`. */
export const SCHEMAS = {
  get,
  quote,
  'tokens-list': z.strictObject({ ok, tokens: z.array(token) }),
  'tokens-show': z.strictObject({ ok, exitCode: fetched, token }),
  'tokens-forget': z.strictObject({ ok, exitCode: fetched, token: id }),
  'tokens-attenuate': z.strictObject({
    ok,
    exitCode: fetched,
    id,
    origin: z.url(),
    caveats: z.array(z.string()),
    file: z.string().nullable(),
    authorization: z.string().nullable().describe('a bearer secret; null where it is in the file'),
  }),
  'tokens-import': z.strictObject({
    ok,
    exitCode: fetched,
    format: z.enum(['bundle', 'authorization', 'token_file']),
    added: z.array(id),
    held: z.array(id),
    left: z
      .array(z.strictObject({ file: z.string(), reason: z.string() }))
      .describe('token files of a folder that hold nothing to be had'),
  }),
  'tokens-export': z.strictObject({ ok, exitCode: fetched, exported: z.array(id), file: z.string() }),
  budget,
  payments,
  recover,
  'wallet-list': z.strictObject({
    ok,
    exitCode: fetched,
    wallets: z.array(
      z.strictObject({ name: z.string(), backend: z.string(), pays: z.boolean(), where: z.string() }),
    ),
  }),
  'grant-create': z.strictObject({
    ok,
    exitCode: fetched,
    grant: grant.extend({
      file: z.string().nullable(),
      secret: z.string().nullable().describe('a bearer secret; null where it is in the file'),
    }),
  }),
  'grant-list': z.strictObject({ ok, grants: z.array(grant) }),
  'grant-show': z.strictObject({
    ok,
    exitCode: fetched,
    grant: grant
      .pick({ id: true, state: true, totalMsat: true, spentMsat: true, hosts: true, expiresAt: true })
      .extend({
        leftMsat: msat,
      }),
  }),
  'grant-revoke': z.strictObject({ ok, exitCode: fetched, grant: id }),
  daemon: z.strictObject({ ok, exitCode: fetched, daemon: z.string(), wallet: z.string() }),
  board: z.strictObject({ ok, exitCode: fetched, url: z.url() }),
  event,
  error: z.strictObject({ ok: z.literal(false), exitCode, error }),
} as const

/** A name of {@link SCHEMAS}. */
export type SchemaName = keyof typeof SCHEMAS

/** The JSON Schema (2020-12) of one, or of all under `$defs`. */
export function jsonSchemaOf(name?: SchemaName): object {
  if (name !== undefined) return z.toJSONSchema(SCHEMAS[name])
  const definitions = Object.entries(SCHEMAS).map(([key, shape]) => {
    const { $schema: _, ...rest } = z.toJSONSchema(shape)
    return [key, rest] as const
  })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $defs: Object.fromEntries(definitions),
  }
}
