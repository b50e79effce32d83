/** Approval by a person, through the MCP client. No argument of a tool can give it. */

import { randomBytes } from 'node:crypto'
import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createRequestStateCodec,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server'
import { formatAmount } from '@turnpike/l402'
import type { Quote } from '@turnpike/l402/client'
import { z } from 'zod'
import { shown } from './results.ts'

/** What is sealed into a question, and comes back with its answer. */
interface Asked {
  readonly quoteId: string
}

const KEY = 'approve'

/** How a question that was put ended; `none` where none was. */
type Approval =
  | { readonly kind: 'none' }
  | { readonly kind: 'approved'; readonly quoteId: string }
  | { readonly kind: 'denied' }

/** Asks and hears. One for a process: its seal is made up when it starts. */
export interface Approvals {
  readonly codec: RequestStateCodec<Asked>
  /** The question, or `undefined` where the client can put none: that is a denial. */
  ask(server: McpServer, ctx: ServerContext, quote: Quote): Promise<InputRequiredResult | undefined>
  /** The answer that came with this call. */
  heard(ctx: ServerContext): Approval
}

/** Makes them. */
export function approvals(): Approvals {
  const codec = createRequestStateCodec<Asked>({ key: new Uint8Array(randomBytes(32)) })
  return {
    codec,
    async ask(server, ctx, quote) {
      if (!canAsk(server, ctx)) return undefined
      return inputRequired({
        // The approval is for this invoice and no other.
        requestState: await codec.mint({ quoteId: quote.id }, ctx),
        inputRequests: {
          [KEY]: inputRequired.elicit({
            message: questionOf(quote),
            requestedSchema: z.object({ approve: z.boolean().describe('Pay this') }),
          }),
        },
      })
    },
    heard(ctx) {
      const asked = ctx.mcpReq.requestState<Asked>()
      // Without our seal an answer is to no question of ours.
      if (asked === undefined || typeof asked.quoteId !== 'string') return { kind: 'none' }
      const view = inputResponse(ctx.mcpReq.inputResponses, KEY)
      const yes = view.kind === 'elicit' && view.action === 'accept' && view.content?.['approve'] === true
      return yes ? { kind: 'approved', quoteId: asked.quoteId } : { kind: 'denied' }
    },
  }
}

/** Whether the client has a person to ask: said with each call, or when the connection began. */
function canAsk(server: McpServer, ctx: ServerContext): boolean {
  const envelope: Readonly<Record<string, unknown>> | undefined = ctx.mcpReq.envelope
  const capabilities =
    envelope === undefined
      ? server.server.getClientCapabilities()
      : (envelope[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined)
  const elicitation = capabilities?.elicitation
  if (elicitation === undefined) return false
  // A bare `{}` means forms; one that names URLs alone does not.
  return elicitation.form !== undefined || elicitation.url === undefined
}

function questionOf(quote: Quote): string {
  const { amountMsat, maxFeeMsat, description, payee, method } = quote
  const url = new URL(quote.url)
  const said = description === null ? '' : ` The seller calls it: "${shown(description, 120)}".`
  return (
    `Pay ${formatAmount(amountMsat)}, and at most ${formatAmount(maxFeeMsat)} in fees, to ${url.host} ` +
    `for ${method} ${shown(url.origin + url.pathname)}?${said} Payee ${payee.slice(0, 16)}…`
  )
}
