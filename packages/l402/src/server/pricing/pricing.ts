/** How the gate asks pricers: with a deadline, a bound on what they may say, and a bound on how many questions wait. */

import { MAX_AMOUNT_MSAT } from '../../core/amount.ts'
import { isCredentialLine } from '../../core/credential.ts'
import type { HeaderLines } from '../../core/header-lines.ts'
import { priceUnavailable } from '../answers.ts'
import type { GateRequest, Pass, Refused } from '../gate.ts'
import { priceCapability, scopeCapability } from './price-capability.ts'
import {
  type NoPrice,
  noPrice,
  type PricedEvent,
  type PriceRequest,
  type Pricer,
  type Quote,
} from './pricer.ts'

/** What {@link createPricing} takes. */
export interface PricingOptions {
  /** Told about every question; must not throw. */
  readonly onPriced: ((event: PricedEvent) => void) | undefined
  /** Milliseconds since whenever. */
  readonly monotonicMs: () => number
}

/** See {@link Pricing.told}. */
export type ToldPrice = (request: GateRequest, pricer: Pricer, quote: Quote) => void

/** The prices of requests on routes that have a pricer. */
export interface Pricing {
  /** Tells {@link PricingOptions.onPriced} what came of a question that was asked elsewhere. */
  readonly told: ToldPrice
  /**
   * The request with the capability that a credential needs for it, and with its price where that is known without waiting;
   * or what the request gets instead.
   */
  bind(request: GateRequest): GateRequest | Pass | Refused
  /** The request with its price. Never rejects. */
  settle(request: GateRequest): Promise<GateRequest | Pass | Refused>
}

/** Questions that may wait for one pricer; more are refused, so that a flood of unpaid requests costs bounded memory. */
const MOST_PENDING = 256

const FREE: Pass = { outcome: 'pass', entitlement: null }

/** See {@link Pricing}. */
export function createPricing({ onPriced, monotonicMs }: PricingOptions): Pricing {
  const pending = new WeakMap<Pricer, number>()

  function told(request: GateRequest, pricer: Pricer, startedAt: number, quote: Quote): Quote {
    const { service, name } = request.route
    onPriced?.({
      service,
      route: name,
      kind: pricer.kind,
      outcome: quote.state === 'failed' ? quote.why : quote.state,
      durationMs: monotonicMs() - startedAt,
      ...(quote.state === 'failed' ? { detail: quote.detail } : {}),
    })
    return quote
  }

  /** Synchronously, for what needs no waiting. */
  function quoteNow(request: GateRequest, pricer: Pricer): Quote {
    const startedAt = monotonicMs()
    let quote: Quote | Promise<Quote>
    try {
      quote = pricer.price(priceRequest(request), new AbortController().signal)
    } catch (error) {
      quote = noPrice('down', faultText(error))
    }
    if ('then' in quote) {
      quote.catch(() => {})
      quote = noPrice('invalid', 'a pricer that binds to the price has to answer synchronously')
    }
    return told(request, pricer, startedAt, checkedQuote(quote, pricer))
  }

  async function ask(request: GateRequest, pricer: Pricer): Promise<Quote> {
    const startedAt = monotonicMs()
    const waiting = pending.get(pricer) ?? 0
    if (waiting >= MOST_PENDING)
      return told(
        request,
        pricer,
        startedAt,
        noPrice('busy', `${waiting} questions are waiting for the pricer`),
      )
    pending.set(pricer, waiting + 1)
    try {
      const quote = await withinTime(pricer, (signal) => pricer.price(priceRequest(request), signal))
      return told(request, pricer, startedAt, checkedQuote(quote, pricer))
    } finally {
      pending.set(pricer, (pending.get(pricer) ?? 1) - 1)
    }
  }

  return {
    told: (request, pricer, quote) => void told(request, pricer, monotonicMs(), quote),
    bind(request) {
      const { route } = request
      const { pricer } = route
      if (pricer === undefined || pricer.binds === 'route') return request
      if (pricer.binds === 'price') {
        const priced = atQuote(request, quoteNow(request, pricer))
        if ('outcome' in priced) return priced
        const capability = priceCapability(route.capability, priced.route.priceMsat)
        return { ...priced, route: { ...priced.route, capability } }
      }
      const scope = pricer.scope?.(priceRequest(request)) ?? ''
      return { ...request, route: { ...route, capability: scopeCapability(route.capability, scope) } }
    },
    async settle(request) {
      const { pricer } = request.route
      return pricer === undefined ? request : atQuote(request, await ask(request, pricer))
    },
  }
}

function atQuote(request: GateRequest, quote: Quote): GateRequest | Pass | Refused {
  if (quote.state === 'free') return FREE
  if (quote.state === 'failed') return priceUnavailable(request, quote)
  return { ...request, route: { ...request.route, priceMsat: quote.amountMsat } }
}

/** What is not a price is none. */
export function checkedQuote(quote: Quote, { mostMsat }: Pricer): Quote {
  if (quote.state !== 'priced') return quote
  const { amountMsat } = quote
  if (typeof amountMsat !== 'bigint' || amountMsat <= 0n)
    return noPrice(
      'invalid',
      'the pricer said a price that is not above 0; what is free has to be said to be',
    )
  if (amountMsat > MAX_AMOUNT_MSAT) return noPrice('invalid', 'the pricer said more than 21 million bitcoin')
  if (mostMsat !== undefined && amountMsat > mostMsat)
    return noPrice(
      'too_high',
      `the pricer said ${amountMsat} msat, and the route costs at most ${mostMsat} msat`,
    )
  return quote
}

/** What a task answers within the pricer's time, or why it answers nothing. Never rejects. */
export async function withinTime<T>(
  { timeoutMs }: Pricer,
  task: (signal: AbortSignal) => T | Promise<T>,
): Promise<T | NoPrice> {
  const controller = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    const answer = task(controller.signal)
    if (!(answer instanceof Promise)) return answer
    const late = new Promise<NoPrice>((resolve) => {
      timer = setTimeout(() => {
        resolve(noPrice('late', `the pricer did not answer within ${timeoutMs} ms`))
        controller.abort()
      }, timeoutMs)
    })
    return await Promise.race([answer, late])
  } catch (error) {
    return noPrice('down', faultText(error))
  } finally {
    clearTimeout(timer)
  }
}

function faultText(error: unknown): string {
  return error instanceof Error ? `the pricer failed: ${error.message}` : 'the pricer failed'
}

/** What a pricer may see of a request. */
export function priceRequest(request: GateRequest): PriceRequest {
  const { route, method, path, query = '', headers, clientAddress, bodyHead } = request
  return {
    service: route.service,
    route: route.name,
    method: method === 'HEAD' ? 'GET' : method,
    path,
    query,
    headers: openLines(headers),
    bodyBytes: request.bodyBytes === undefined ? statedLength(headers) : request.bodyBytes,
    ...(bodyHead === undefined ? {} : { body: bodyHead }),
    clientAddress,
  }
}

// Said to the server alone, whatever scheme or program they belong to.
const SECRET: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'dpop',
  'macaroon',
  'grpc-metadata-macaroon',
])

function openLines(headers: HeaderLines): HeaderLines {
  const out: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!SECRET.has(name.toLowerCase()) && !isCredentialLine(name, value)) out.push(name, value)
  }
  return out
}

/** What `Content-Length` says; `null` where the body's length is not known before its end. */
function statedLength(headers: HeaderLines): number | null {
  let length: number | null = 0
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    if (name === 'transfer-encoding') return null
    if (name === 'content-length') length = Number(headers[i + 1])
  }
  return Number.isSafeInteger(length) ? length : null
}
