/** A paywall for the tools of an MCP server. All policy is the paywall's; this only translates. */

import { serveFetch } from '../adapters/lib/serve-fetch.ts'
import { parsePaymentReceipt } from '../core/payment-scheme/index.ts'
import type { L402Access } from '../server/access.ts'
import { type L402Options, type L402Route, routeGates } from '../server/route-gates.ts'
import { credentialLine } from './payment-meta.ts'
import { requiredResult } from './required.ts'
import {
  isJsonObject,
  isTable,
  isToolName,
  L402_META,
  PAYMENT_CREDENTIAL_META,
  PAYMENT_RECEIPT_META,
  type ToolResult,
  toolPath,
} from './wire.ts'

/** What {@link paidTool} needs; see {@link L402Options}. */
export interface PaidToolOptions extends Omit<L402Options, 'bindBodies'> {
  /**
   * The Payment scheme beside L402, on the same invoice; `always` if left out, since nothing in MCP asks for one scheme (see
   * {@link L402Options}).
   */
  readonly payment?: Exclude<L402Options['payment'], 'asked' | undefined>
  /** The client's address, where the transport knows it; left out, all clients share one limit of challenges. */
  readonly clientAddress?: (context: unknown) => string
}

/** A tool's handler behind the gate. `args` is `{}` for a tool without input; `l402` is `null` where it is free. */
export type PaidToolHandler<Args, Result extends ToolResult> = (
  args: Args,
  l402: L402Access | null,
  context: unknown,
) => Result | Promise<Result>

/** Puts a price in front of a tool; what it answers goes to `registerTool`. `route.name` is the tool's name. */
export type ToolToll = <Args, Result extends ToolResult>(
  route: L402Route,
  handler: PaidToolHandler<Args, Result>,
) => (args: Args, context?: unknown) => Promise<Result>

/** Marks the answer as the handler's own. */
const OWN = 'x-own-result'

/**
 * Makes the wrapper for a server's tools. What is asked for and paid, by L402 or by the Payment scheme, stands in `_meta`
 * (docs/agents.md); a handler that throws or answers `isError` costs nothing.
 *
 * @example
 * ```ts
 * import { memoryLightning } from '@turnpike/l402/lightning/memory'
 * import { paidTool } from '@turnpike/l402/mcp'
 * import { memoryStore } from '@turnpike/l402/store/memory'
 *
 * const toll = paidTool({
 *   lightning: memoryLightning(),
 *   store: memoryStore(),
 *   keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
 *   services: { weather: {} },
 * })
 *
 * export const handler = toll({ name: 'forecast', price: '10 sat' }, (args: { city: string }) => ({
 *   content: [{ type: 'text' as const, text: `sunny in ${args.city}` }],
 * }))
 * // server.registerTool('forecast', { inputSchema }, handler)
 * ```
 *
 * @throws RangeError, TypeError or L402Error `malformed` at set-up, for options out of range.
 */
export function paidTool(options: PaidToolOptions): ToolToll {
  const { clientAddress = () => '', ...rest } = options
  const origin = options.origin ?? 'https://mcp.invalid'
  // A tool's arguments have no one text that both ends could take the digest of.
  const gateOf = routeGates({ payment: 'always', ...rest, bindBodies: false })
  return <Args, Result extends ToolResult>(route: L402Route, handler: PaidToolHandler<Args, Result>) => {
    if (!isToolName(route.name))
      throw new TypeError('invalid route: expected the name of a tool: letters, digits, _ . -, at most 128')
    const gate = gateOf(route)
    return async (...given: [args: Args, context?: unknown]) => {
      // A tool without input gets the context alone.
      const [args, context] = given.length > 1 ? given : [{} as Args, given[0]]
      const request = new Request(origin + toolPath(route.name), {
        method: 'POST',
        headers: credentialHeaders(metaOf(context)),
        body: JSON.stringify(args ?? {}),
      })
      const done: { result?: Result } = {}
      const visit = {
        request,
        clientAddress: clientAddress(context),
        failed: () => done.result?.isError === true,
      }
      const response = await serveFetch(gate, visit, async (access) => {
        const result = await handler(args, access, context)
        done.result = result
        return Response.json(result, { headers: { [OWN]: '1' } })
      })
      const { result } = done
      // Where the books could not be written, another answer stands in its place (protocol §5 rule 9).
      if (result === undefined || !response.headers.has(OWN))
        return (await refused(response, route.name)) as Result
      // Read to its end: what is counted is settled then.
      await response.arrayBuffer()
      return { ...result, _meta: { ...result._meta, ...outcomeMeta(response, result) } }
    }
  }
}

/** What the server says with a result: whether it was charged, what is left, and the receipt. */
function outcomeMeta(response: Response, result: ToolResult): Record<string, unknown> {
  const receipt = response.headers.get('payment-receipt')
  const parsed = receipt === null ? undefined : parsePaymentReceipt(receipt)
  return {
    [L402_META]: {
      status: 200,
      charged: result.isError !== true,
      limits: response.headers.get('ratelimit'),
    },
    ...(parsed === undefined ? {} : { [PAYMENT_RECEIPT_META]: parsed }),
  }
}

async function refused(response: Response, name: string): Promise<ToolResult> {
  if (response.status === 402) return await requiredResult(response, name)
  await response.body?.cancel()
  const retryAfter = response.headers.get('retry-after')
  const when = retryAfter === null ? '' : ` Try again in ${retryAfter} s.`
  return {
    isError: true,
    content: [{ type: 'text', text: `The tool ${name} cannot be used now (${response.status}).${when}` }],
    _meta: { [L402_META]: { status: response.status, retryAfter } },
  }
}

/** `_meta` of the request: where SDK 2 has it, or SDK 1. */
function metaOf(context: unknown): Readonly<Record<string, unknown>> {
  if (!isTable(context)) return {}
  const meta = isTable(context['mcpReq']) ? context['mcpReq']['_meta'] : context['_meta']
  return isTable(meta) ? meta : {}
}

/** The credential as the header lines that the paywall reads. */
function credentialHeaders(meta: Readonly<Record<string, unknown>>): Headers {
  const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json' })
  const l402 = meta[L402_META]
  const credential = isTable(l402) ? l402['credential'] : undefined
  const payment = meta[PAYMENT_CREDENTIAL_META]
  try {
    if (typeof credential === 'string') headers.append('authorization', credential)
    if (isJsonObject(payment)) headers.append('authorization', credentialLine(payment))
  } catch {
    // No legal header value: as good as none.
  }
  return headers
}
