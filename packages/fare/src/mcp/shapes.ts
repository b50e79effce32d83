/** What the tools answer, as schemas: agents are told what to expect. Millisatoshi are decimal strings. */

import { z } from 'zod'

const msat = z.string().describe('Millisatoshi as a decimal string.')
const text = z.string()

const offer = z
  .object({
    paymentHash: text,
    amountMsat: msat,
    maxFeeMsat: msat,
    payee: text,
    network: text,
    expiresAt: z.number().describe('Unix seconds.'),
    description: text.nullable().describe('Untrusted: the seller wrote it.'),
    caveats: z.array(text),
  })
  .describe('What the 402 asked for, read from its invoice.')

const overBudget = z.object({ limit: text, limitMsat: msat, wouldBeMsat: msat })

const purchase = z.object({
  paymentHash: text,
  origin: text,
  amountMsat: msat,
  feeMsat: msat,
  credentialId: text,
  resumed: z.boolean().describe('Paid by an earlier call and found paid now.'),
})

/** Fields that say what became of the money; they come first in every answer about it. */
export const FETCH_RESULT = z.object({
  ok: z.boolean(),
  outcome: text.describe('served, or why not: refused, unpayable, payment_failed, payment_unknown, …'),
  reason: text.nullable(),
  message: text.describe('What happened to the money first; then why.'),
  spentMsat: msat.describe('Spent by this call, fees included.'),
  purchases: z.array(purchase),
  reused: z.boolean().describe('Opened by something bought before.'),
  credentialId: text.nullable(),
  url: text.nullable(),
  status: z.number().nullable(),
  headers: z.record(text, text),
  body: z
    .object({
      untrusted: z.literal(true),
      note: text,
      contentType: text.nullable(),
      bytes: z.number(),
      truncated: z.boolean(),
      cut: z.boolean().describe('The server or the connection ended it early.'),
      text: text.nullable().describe('All of a small text; the start of a large one.'),
      resource: text.nullable().describe('URI of all of it, for resources/read.'),
      file: text.nullable(),
    })
    .nullable(),
  offer: offer.nullable(),
  overBudget: overBudget.nullable(),
  quoteId: text.nullable().describe('A person can pay it: fare get --quote ID'),
})

/** Of `quote`. */
export const QUOTE_RESULT = z.object({
  ok: z.boolean(),
  charged: z.boolean().describe('False: nothing to pay, or not there; see status.'),
  message: text,
  url: text.nullable(),
  status: z.number().nullable(),
  quoteId: text.nullable().describe('fetch with this pays exactly this invoice.'),
  offer: offer.nullable(),
  wouldPay: z.boolean().nullable(),
  needsApproval: z.boolean().nullable().describe('A person will be asked before it is paid.'),
  refusal: z.object({ reason: text, detail: text, overBudget: overBudget.nullable() }).nullable(),
  heldCredentialId: text.nullable().describe('Something bought before that may open it without paying.'),
})

const limits = z.object({
  requestMsat: msat.optional(),
  hourMsat: msat.optional(),
  dayMsat: msat.optional(),
  totalMsat: msat.optional(),
  count: z.object({ max: z.number(), seconds: z.number() }).optional(),
})

/** Of `budget`. */
export const BUDGET_RESULT = z.object({
  overall: limits,
  hosts: z.record(text, limits),
  spent: z.object({ hourMsat: msat, dayMsat: msat, totalMsat: msat, count: z.number() }),
  session: z.object({ maxMsat: msat.nullable(), spentMsat: msat }).describe('Since this server was started.'),
  askAboveMsat: msat.nullable().describe('A payment above this needs the approval of a person.'),
  paying: z.boolean(),
})

/** Of `history`. */
export const HISTORY_RESULT = z.object({
  payments: z.array(
    z.object({
      paymentHash: text,
      at: text,
      request: text,
      amountMsat: msat,
      feeMsat: msat,
      state: text,
      writtenOff: z.boolean().describe('Given up by its owner, its end unknown.'),
      served: text,
      lastStatus: z.number().nullable(),
    }),
  ),
})

/** Of `tokens`. */
export const TOKENS_RESULT = z.object({
  tokens: z.array(
    z.object({
      id: text,
      origin: text,
      boughtFor: text,
      boughtAt: text,
      costMsat: msat,
      caveats: z.array(text),
    }),
  ),
})

/** Of `discover`. */
export const DISCOVER_RESULT = z.object({
  origin: text,
  untrusted: z.literal(true),
  note: text,
  found: z.array(text).describe('Documents that are there.'),
  absent: z.array(text).describe('Documents that are not, or cannot be read.'),
  services: z.array(
    z.object({
      method: text,
      url: text,
      description: text.nullable(),
      price: text.nullable().describe('As the seller states it; only the 402 itself binds. Ask with quote.'),
    }),
  ),
  more: z.number().describe('Further services that are left out.'),
  llmsText: text.nullable(),
})
