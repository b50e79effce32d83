/** Approval and hook over HTTP: one POST with the decoded purchase, one answer in JSON. */

import { encodeHex, encodeUtf8 } from '../core/bytes.ts'
import { hmacSha256 } from '../core/hash.ts'
import type { Approve, AskOptions, PaymentHook, ProposedPurchase } from './proposal.ts'
import { proposalJson } from './proposal.ts'

/** Where to ask, and how the receiver knows who asks. */
export interface WebhookOptions {
  /** https, or http on this machine. Redirects are not followed. */
  readonly url: string
  /** Sent as `Authorization: Bearer …`. */
  readonly token?: string
  /**
   * Signs each request: `X-Fare-Signature: t=<unix seconds>,v1=<hex>`, where the hex is HMAC-SHA256 of
   * `<unix seconds>.<body>` under this secret.
   */
  readonly secret?: string
  /** Default: the platform's. */
  readonly fetch?: typeof globalThis.fetch
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number
}

/** Longest answer that is read, in characters. */
const MOST_ANSWER = 16_384
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/**
 * Asks a service whether to pay. It gets `{"type":"approval",…}` and approves by status 200 and
 * `{"decision":"approved"}`; any other answer denies. Throws `TypeError` for a URL that cannot be meant.
 *
 * @example
 * const approve = webhookApproval({ url: 'https://approvals.example.com/fare', token })
 */
export function webhookApproval(options: WebhookOptions): Approve {
  const ask = asker(options)
  return async (purchase, asked) => {
    const answer = await ask('approval', purchase, asked)
    return answer['decision'] === 'approved' ? 'approved' : 'denied'
  }
}

/**
 * Shows every purchase to a service. It gets `{"type":"payment",…}` and allows by status 200 and `{"allow":true}`;
 * `{"allow":false,"reason":"…"}` and any other answer deny. Throws `TypeError` for a URL that cannot be meant.
 */
export function webhookHook(options: WebhookOptions): PaymentHook {
  const ask = asker(options)
  return async (purchase, asked) => {
    const { allow, reason } = await ask('payment', purchase, asked)
    if (allow === true) return { allow: true }
    return typeof reason === 'string' ? { allow: false, reason } : { allow: false }
  }
}

type Ask = (
  type: 'approval' | 'payment',
  purchase: ProposedPurchase,
  options: AskOptions,
) => Promise<Readonly<Record<string, unknown>>>

function asker({ url: text, token, secret, fetch, now = Date.now }: WebhookOptions): Ask {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname))
  if (!url || !safe || url.username !== '' || url.password !== '')
    throw new TypeError('expected an https URL (or http on this machine) without user and password')
  return async (type, purchase, { signal }) => {
    const body = JSON.stringify({ type, ...proposalJson(purchase) })
    const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json' })
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
    if (secret !== undefined) headers.set('x-fare-signature', signatureOf(body, secret, now()))
    const init = { method: 'POST', headers, body, signal, redirect: 'error' } as const
    const response = await (fetch ?? globalThis.fetch)(url.href, init)
    const answer = response.status === 200 ? await shortText(response) : undefined
    if (answer === undefined) {
      await response.body?.cancel().catch(() => {})
      return {}
    }
    const value: unknown = JSON.parse(answer)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  }
}

function signatureOf(body: string, secret: string, nowMs: number): string {
  const seconds = Math.floor(nowMs / 1000)
  const mac = hmacSha256(encodeUtf8(secret), encodeUtf8(`${seconds}.${body}`))
  return `t=${seconds},v1=${encodeHex(mac)}`
}

/** The text of an answer; `undefined` for one that is too long to be meant. */
async function shortText(response: Response): Promise<string | undefined> {
  const decoder = new TextDecoder()
  let text = ''
  const reader = response.body?.getReader()
  for (;;) {
    const part = await reader?.read()
    if (!part || part.done) return text + decoder.decode()
    text += decoder.decode(part.value, { stream: true })
    if (text.length > MOST_ANSWER) {
      await reader?.cancel()
      return undefined
    }
  }
}
