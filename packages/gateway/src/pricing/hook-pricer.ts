import { createHmac, randomUUID } from 'node:crypto'
import { isL402Error, parseAmount } from '@turnpike/l402'
import { noPrice, type PriceRequest, type Pricer, type Quote } from '@turnpike/l402/server'
import type { PriceConfig } from '../config/pricing.ts'
import type { JsonClient } from './fetch-json.ts'
import { toldHeaders, toldScope } from './told.ts'

/** What {@link hookPricer} works with. */
export interface HookParts {
  readonly client: JsonClient
  /** Questions are signed with it; `undefined`: they are not. */
  readonly secret: Buffer | undefined
}

/**
 * A price that a program of the seller's says over HTTP. It is sent a POST with
 * `{ method, path, query, headers, bodyBytes, body?, service, route, clientAddress }` and answers 200 with exactly one of
 * `{ "price": "10 sat" }`, `{ "msat": 1500 }` and `{ "free": true }`. Anything else is no price.
 */
export function hookPricer(
  config: Extract<PriceConfig, { kind: 'hook' }>,
  { client, secret }: HookParts,
): Pricer {
  const { url, timeoutMs, mostMsat, binds, body, headers } = config
  return {
    kind: 'hook',
    text: `hook ${new URL(url).host}`,
    binds: binds === 'route' ? 'route' : 'request',
    readsBody: body,
    timeoutMs,
    mostMsat,
    scope: (request) => toldScope(request, { binds, headers }),
    async price(request, signal) {
      const question = JSON.stringify(questionOf(request, headers))
      const signed = secret === undefined ? {} : signature(question, secret)
      return readAnswer(await client.ask({ url, signal, body: question, headers: signed }))
    },
  }
}

function questionOf(request: PriceRequest, headers: readonly string[]): object {
  const { method, path, query, bodyBytes, body, service, route, clientAddress } = request
  return {
    method,
    path,
    query,
    headers: toldHeaders(request.headers, headers),
    bodyBytes,
    ...(body === undefined ? {} : { body: Buffer.from(body).toString('base64') }),
    service,
    route,
    clientAddress,
  }
}

/** As Standard Webhooks are signed: HMAC-SHA256 over `id.timestamp.body`, in base64. */
function signature(body: string, secret: Buffer): Record<string, string> {
  const id = `msg_${randomUUID()}`
  const timestamp = String(Math.floor(Date.now() / 1000))
  const mac = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${mac}` }
}

/** What the hook said. */
function readAnswer(answer: unknown): Quote {
  const wrong = noPrice('invalid', 'the hook said no price, expected one of "price", "msat" and "free": true')
  if (typeof answer !== 'object' || answer === null) return wrong
  const said = (['price', 'msat', 'free'] as const).filter((key) => Object.hasOwn(answer, key))
  if (said.length !== 1) return wrong
  const { price, msat, free } = answer as Record<string, unknown>
  if (free === true) return { state: 'free' }
  if (typeof msat === 'number' && Number.isSafeInteger(msat))
    return { state: 'priced', amountMsat: BigInt(msat) }
  if (typeof price !== 'string') return wrong
  try {
    return { state: 'priced', amountMsat: parseAmount(price) }
  } catch (error) {
    if (!isL402Error(error, 'malformed')) throw error
    return wrong
  }
}
