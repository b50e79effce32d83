/** Calls tools and pays for those that cost, by the purse and the gate that HTTP has. This only translates. */

import { outcomeOf, payingFetch } from '../client/paying-fetch.ts'
import type { BuyerOptions, Purchase } from '../client/types.ts'
import { L402Error } from '../core/errors.ts'
import type { PaymentReceipt } from '../core/payment-scheme/index.ts'
import { credentialJson, receiptLine } from './payment-meta.ts'
import { challengeIn, challengeInError } from './required.ts'
import {
  isTable,
  isToolName,
  L402_META,
  PAYMENT_CREDENTIAL_META,
  PAYMENT_RECEIPT_META,
  type ToolResult,
  toolPath,
} from './wire.ts'

/** What a call is made of. */
export interface ToolCall {
  name: string
  arguments?: Record<string, unknown>
  _meta?: { [key: string]: unknown }
}

/** What is needed of an MCP client; the SDK's `Client` is one, of version 1 and 2. */
export interface ToolCaller<Options, Result extends ToolResult> {
  callTool(call: ToolCall, options?: Options): Promise<Result>
}

/** Options of {@link payingTools}. */
export interface PayingToolsOptions
  extends Omit<BuyerOptions, 'fetch' | 'ownAuthorization' | 'bufferStreams' | 'maxRedirects'> {
  /**
   * Whose tools they are, in your words and not the server's: the URL of its endpoint, or a name (`weather`) for one without,
   * which is booked as the host `weather.mcp.invalid`. Limits per host and what was bought go by it.
   */
  readonly server: URL | string
}

/** What a call cost. Holds no secret. */
export interface ToolPayment {
  /** Purchases of this call. */
  readonly purchases: readonly Purchase[]
  /** The credential it was opened with, as the purse calls it; `null` for a tool that cost nothing. */
  readonly credentialId: string | null
  /** Whether that was bought before this call. */
  readonly reused: boolean
  /** False where it was paid and the tool failed: the next call presents the same credential. */
  readonly served: boolean
  /** The server's receipt, if it gave one for this payment; only the Payment scheme has them. A server's word. */
  readonly receipt: PaymentReceipt | null
}

/** A caller that pays. */
export interface PayingTools<Options, Result extends ToolResult> extends ToolCaller<Options, Result> {
  /** What a result of this caller cost. */
  paymentOf(result: Result): ToolPayment | undefined
}

/** One call on its way through the purse. */
interface Under<Options> {
  readonly call: ToolCall
  readonly options: Options | undefined
}

const CALL: unique symbol = Symbol('call')

/**
 * Wraps an MCP client so that tools that cost are paid for, by L402 or else by a charge of the Payment scheme, within the
 * purse's budget. What is bought is used again.
 * Challenges, credentials and receipts never stand in what it answers.
 *
 * Throws `L402Error` as `payingFetch` does: `payment_refused` (details: `reason`), `payment_failed`, `payment_unknown`,
 * `paid_not_served`, `lightning_unavailable`, `store_unavailable`; and what the client throws as long as nothing was paid.
 * A client's own time-out ends the call, never a payment under way.
 *
 * @example
 * ```ts
 * import { payingTools } from '@turnpike/l402/mcp'
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { memoryPurse } from '@turnpike/l402/purse/memory'
 *
 * declare const client: { callTool(call: { name: string }): Promise<{ content: unknown[] }> }
 * const paying = payingTools(client, { server: 'weather', wallet: memoryLightning(), purse: memoryPurse() })
 * export const result = await paying.callTool({ name: 'forecast', arguments: { city: 'Bern' } })
 * ```
 *
 * @throws TypeError at set-up, for a server that is neither a URL nor a name.
 */
export function payingTools<Options extends { signal?: AbortSignal }, Result extends ToolResult>(
  client: ToolCaller<Options, Result>,
  options: PayingToolsOptions,
): PayingTools<Options, Result> {
  const { server, ...rest } = options
  const base = baseOf(server)
  const results = new WeakMap<Response, Result>()
  const payments = new WeakMap<Result, ToolPayment>()

  /** One exchange, as the purse sees it: credential in, 402 or result out. */
  const exchange = async (_url: unknown, init?: RequestInit): Promise<Response> => {
    const { call, options: given } = (init as { [CALL]: Under<Options> })[CALL]
    const meta = { ...call._meta, ...credentialMeta(new Headers(init?.headers)) }
    const all = { ...given, ...(init?.signal ? { signal: init.signal } : {}) } as Options
    let result: Result
    try {
      result = await client.callTool(
        { ...call, ...(Object.keys(meta).length === 0 ? {} : { _meta: meta }) },
        all,
      )
    } catch (error) {
      const asked = challengeInError(error)
      if (asked === null) throw error
      return required(asked)
    }
    const asked = challengeIn(result._meta)
    if (asked !== null) return required(asked)
    // A failed tool that says it was not charged is a 5xx: what was paid for it is presented again.
    const receipt = receiptLine(result._meta?.[PAYMENT_RECEIPT_META])
    const response = new Response(null, {
      status: uncharged(result) ? 500 : 200,
      headers: receipt === undefined ? {} : { 'payment-receipt': receipt },
    })
    results.set(response, withoutPayment(result))
    return response
  }
  const fetch = payingFetch({ ...rest, fetch: exchange as typeof globalThis.fetch })

  return {
    async callTool(call, given) {
      if (!isToolName(call.name)) throw new TypeError('expected the name of a tool: letters, digits, _ . -')
      const init: RequestInit & { [CALL]: Under<Options> } = {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(call.arguments ?? {}),
        redirect: 'manual',
        [CALL]: { call, options: given },
        ...(given?.signal === undefined ? {} : { signal: given.signal }),
      }
      const response = await fetch(base + toolPath(call.name), init)
      const result = results.get(response)
      const outcome = outcomeOf(response)
      if (result === undefined) throw unpaid(outcome?.kind === 'not_served' ? outcome.detail : null)
      payments.set(result, {
        purchases: outcome?.purchases ?? [],
        credentialId: outcome !== undefined && 'credentialId' in outcome ? outcome.credentialId : null,
        reused: outcome?.kind === 'served' && outcome.reused,
        served: outcome?.kind === 'served',
        receipt: outcome?.kind === 'served' ? outcome.receipt : null,
      })
      return result
    },
    paymentOf: (result) => payments.get(result),
  }
}

/** A 402 that ended the call: paid and asked again, or asked for what no purse here pays. */
function unpaid(detail: string | null): L402Error {
  return detail === null
    ? new L402Error('payment_refused', 'the tool asks for a payment that is not made here', {
        details: { kind: 'unpayable', reason: 'no_challenge', paymentHash: null },
      })
    : new L402Error('paid_not_served', detail, {
        details: { kind: 'not_served', reason: null, paymentHash: null },
      })
}

function required(challenge: string): Response {
  return new Response(null, { status: 402, headers: { 'www-authenticate': challenge } })
}

/** A credential of either scheme, where an MCP server looks for it. */
function credentialMeta(headers: Headers): { [key: string]: unknown } {
  const line = headers.get('payment-authorization') ?? headers.get('authorization')
  if (line === null) return {}
  const payment = credentialJson(line)
  return payment === undefined
    ? { [L402_META]: { credential: line } }
    : { [PAYMENT_CREDENTIAL_META]: payment }
}

function uncharged({ isError, _meta }: ToolResult): boolean {
  const said = _meta?.[L402_META]
  return isError === true && isTable(said) && said['charged'] === false
}

/** A copy without what is between the two ends (rule C10). */
function withoutPayment<Result extends ToolResult>(result: Result): Result {
  if (result._meta === undefined) return { ...result }
  const { [L402_META]: _, [PAYMENT_RECEIPT_META]: __, ...left } = result._meta
  return { ...result, _meta: left }
}

function baseOf(server: URL | string): string {
  if (typeof server === 'string' && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(server))
    return `https://${server}.mcp.invalid`
  const url = URL.canParse(String(server)) ? new URL(String(server)) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new TypeError('invalid server: expected its http(s) URL, or a name such as weather')
  return url.origin + url.pathname.replace(/\/$/, '')
}
