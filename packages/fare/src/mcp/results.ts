import type { CallToolResult } from '@modelcontextprotocol/server'
import type { Offer } from '@turnpike/l402/client'
import { toJson } from '../cli/json.ts'
import { printable } from '../cli/text.ts'

/** One block of a tool's answer. */
export type Block = CallToolResult['content'][number]

/** A tool's answer: its data, and the same for hosts that read text only. Millisatoshi become decimal strings. */
export function answer(
  data: object,
  also: { readonly text?: string; readonly blocks?: readonly Block[]; readonly failed?: boolean } = {},
): CallToolResult {
  const structuredContent = JSON.parse(toJson(data)) as Record<string, unknown>
  const text = also.text ?? JSON.stringify(structuredContent)
  return {
    content: [{ type: 'text', text }, ...(also.blocks ?? [])],
    structuredContent,
    ...(also.failed ? { isError: true } : {}),
  }
}

/** Shown text from outside, of a bounded length. */
export function shown(text: string, most = 300): string {
  const clean = printable(text)
  return clean.length <= most ? clean : `${clean.slice(0, most)}…`
}

/** What a 402 asked for. The description is the seller's. */
export function offerOf(offer: Offer): object {
  const { paymentHash, amountMsat, maxFeeMsat, payee, network, expiresAt, description, caveats } = offer
  return {
    paymentHash,
    amountMsat,
    maxFeeMsat,
    payee,
    network,
    expiresAt,
    description: description && shown(description),
    caveats: caveats.map((caveat) => shown(caveat)),
  }
}
