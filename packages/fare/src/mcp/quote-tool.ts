import type { McpServer } from '@modelcontextprotocol/server'
import { formatAmount, isL402Error } from '@turnpike/l402'
import type { QuoteOutcome } from '@turnpike/l402/client'
import { z } from 'zod'
import { causeText } from '../cli/text.ts'
import { AskedWrongly, askedMax, askedRequest, REQUEST_SHAPE } from './asked.ts'
import { APPROVABLE, buyerOf, lowest, withSession } from './buying.ts'
import type { Desk } from './desk.ts'
import { answer, offerOf, shown } from './results.ts'
import { QUOTE_RESULT } from './shapes.ts'

const TIMEOUT_MS = 60_000

const INPUT = z.object({
  ...REQUEST_SHAPE,
  max: z.string().max(40).optional().describe('As of fetch: whether that would be enough.'),
})

const EMPTY = {
  charged: false,
  url: null,
  status: null,
  quoteId: null,
  offer: null,
  wouldPay: null,
  needsApproval: null,
  refusal: null,
  heldCredentialId: null,
}

/** Registers `quote`. */
export function registerQuote(server: McpServer, desk: Desk): void {
  server.registerTool(
    'quote',
    {
      title: 'Ask for a price',
      description:
        'Sends the request unpaid, and says what it would cost and whether it would be paid. Pays nothing. The server sees the request.',
      inputSchema: INPUT,
      outputSchema: QUOTE_RESULT,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
    },
    async (args, ctx) => {
      try {
        const signal = AbortSignal.any([ctx.mcpReq.signal, AbortSignal.timeout(TIMEOUT_MS)])
        const request = askedRequest(args, signal)
        const maxMsat = lowest(askedMax(args.max), desk.settings.maxMsat, desk.calls.spentMsat)
        return await withSession(desk, async (session) => {
          const buyer = buyerOf(desk, session, { maxMsat, onEvent: () => {} })
          const outcome = await buyer.quote(request)
          await outcome.response.body?.cancel().catch(() => {})
          const data = { ...EMPTY, ...dataOf(outcome, desk.settings.askAboveMsat) }
          return answer(data, { failed: !data.ok })
        })
      } catch (error) {
        const code = error instanceof AskedWrongly || isL402Error(error) ? '' : 'The request failed: '
        return answer(
          { ...EMPTY, ok: false, message: `${code}${shown(causeText(error), 600)}` },
          { failed: true },
        )
      }
    },
  )
}

function dataOf(
  outcome: QuoteOutcome,
  askAboveMsat: bigint | undefined,
): { readonly ok: boolean; readonly message: string; readonly [field: string]: unknown } {
  const { origin, pathname } = new URL(outcome.kind === 'quote' ? outcome.quote.url : outcome.url)
  const base = { url: shown(origin + pathname), status: outcome.response.status }
  switch (outcome.kind) {
    case 'no_charge':
      return { ...base, ok: true, message: `No payment asked for: the server answered ${base.status}.` }
    case 'unpayable': {
      const { reason, detail, offer } = outcome
      const refusal = { reason, detail: shown(detail), overBudget: null }
      return {
        ...base,
        ok: false,
        charged: true,
        message: `Not payable: ${shown(detail)}`,
        offer: offer && offerOf(offer),
        refusal,
      }
    }
    case 'quote': {
      const { quote } = outcome
      const priceMsat = quote.amountMsat + quote.maxFeeMsat
      // What only a person's yes is missing for, fetch asks about.
      const unasked = quote.refusal !== null && APPROVABLE.has(quote.refusal.reason)
      const needsApproval = unasked || (askAboveMsat !== undefined && priceMsat > askAboveMsat)
      const refusal = unasked ? null : quote.refusal
      const verdict =
        refusal !== null
          ? `It would not be paid: ${shown(refusal.detail)}.`
          : needsApproval
            ? 'A person would be asked first.'
            : 'It would be paid.'
      const message = `${formatAmount(quote.amountMsat)}, and at most ${formatAmount(quote.maxFeeMsat)} in fees. ${verdict}`
      const { id: quoteId, heldCredentialId } = quote
      return {
        ...base,
        ok: true,
        charged: true,
        message,
        quoteId,
        offer: offerOf(quote),
        wouldPay: refusal === null,
        needsApproval,
        refusal,
        heldCredentialId,
      }
    }
  }
}
