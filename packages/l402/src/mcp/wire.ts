/**
 * How a payment stands in MCP: in `_meta`, which hosts do not show to models. What HTTP says in header lines is said in
 * members of the same meaning, so that both ends use the one gate and the one purse that HTTP has.
 */

import type { JsonObject } from '../core/payment-scheme/index.ts'

/** Key of what L402 says: challenges and outcome in results, the credential in requests. */
export const L402_META = 'turnpike/l402'
/** Keys of the Payment scheme's MCP transport. */
export const PAYMENT_REQUIRED_META = 'org.paymentauth/payment-required'
export const PAYMENT_CREDENTIAL_META = 'org.paymentauth/credential'
export const PAYMENT_RECEIPT_META = 'org.paymentauth/receipt'
/**
 * JSON-RPC error of the same transport. Protocol revision 2025-11-25 has the same number for URL elicitation, so only
 * `data.challenges` tells; 2026-07-28 cannot carry it at all. It is read and never sent.
 */
export const PAYMENT_REQUIRED_CODE = -32042
/** The same for a credential that was not accepted; fresh challenges stand beside it. */
export const PAYMENT_FAILED_CODE = -32043

/** A tool's result, as far as it matters here; the MCP SDK's `CallToolResult` is one. */
export interface ToolResult {
  content: unknown[]
  isError?: boolean | undefined
  structuredContent?: unknown
  _meta?: { [key: string]: unknown } | undefined
}

/** A challenge in {@link L402_META}. Texts as they stand in `WWW-Authenticate`. */
export interface L402Offered {
  readonly scheme: 'L402'
  readonly macaroon: string
  readonly invoice: string
}

/** The path of a tool on its server: where it is priced, and what a purchase is booked under. */
export function toolPath(name: string): string {
  return `/tools/${name}`
}

/** Names that a path holds as they are; MCP's own rule for tool names, but for the slash. */
export function isToolName(name: unknown): name is string {
  return typeof name === 'string' && /^[A-Za-z0-9_.-]{1,128}$/.test(name) && !/^\.{1,2}$/.test(name)
}

/** Anything that came as JSON. */
export function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The same for what is known to be JSON. */
export function isJsonObject(value: unknown): value is JsonObject {
  return isTable(value)
}
