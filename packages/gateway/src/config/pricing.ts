/** `price` of a route where it is not fixed, and `rates`. */

import {
  ExpressionError,
  expressionPricer,
  isFiatPrice,
  type PriceBinding,
  parseFiat,
  RATE_PRESETS,
  type RateSource,
} from '@turnpike/l402/server'
import { z } from 'zod'
import { nearestName } from '../cli/nearest.ts'
import { describeFaults, pathName } from './faults.ts'
import type { ConfigIssue } from './issue.ts'
import type { Report } from './metered.ts'
import { oneOrMore, section } from './section.ts'
import { amount, byteSize, duration, flag, oneOf, text, timerDuration } from './values.ts'
import type { Path, YamlSource } from './yaml-source.ts'

/** What says a route's price. */
export type PriceConfig = { readonly mostMsat: bigint | undefined } & (
  | { readonly kind: 'fiat'; readonly text: string; readonly currency: string }
  | { readonly kind: 'expr'; readonly text: string }
  | ({ readonly kind: 'hook'; readonly url: string; readonly secretFile: string | undefined } & Asked)
  | ({
      readonly kind: 'grpc'
      /** `host:port`. */
      readonly address: string
      /** `undefined`: plain text. */
      readonly tls:
        | { readonly caFile: string | undefined; readonly serverName: string | undefined }
        | undefined
      readonly metered: boolean
      readonly tailBytes: number
      /** Whether a price of 0 is free. */
      readonly zeroIsFree: boolean
    } & Asked)
)

/** What is common to pricers that are asked over the network. */
interface Asked {
  readonly timeoutMs: number
  /** Names of the header lines that it is told, in lower case. */
  readonly headers: readonly string[]
  /** Whether it is shown the first 64 KiB of the body. */
  readonly body: boolean
  readonly binds: Exclude<PriceBinding, 'price'> | 'path'
}

/** Where rates come from. */
export interface RatesConfig {
  readonly sources: readonly RateSource[]
  readonly refreshMs: number
  readonly maxAgeMs: number
}

const most = amount
  .optional()
  .describe('Above this the price is not believed and the answer is 503; no bound if left out.')
const asked = {
  timeout: timerDuration
    .optional()
    .describe('How long an answer may take; 2s if left out. Then the answer is 503.'),
  most,
  headers: z
    .array(text('the name of a header line'), { error: () => 'a list of header names' })
    .optional()
    .describe('Header lines that the pricer is told; none if left out.'),
  body: flag
    .optional()
    .describe('Whether the pricer is shown the first 64 KiB of the body; false if left out.'),
  binds: oneOf(['request', 'path', 'route'])
    .optional()
    .describe(
      'What a purchase opens: the same request again, its path, or the whole route; request if left out.',
    ),
}

/** One schema for each kind of price that is a table. */
export const priceSchemas = {
  hook: section('a price such as { hook: "http://127.0.0.1:9100/price", most: 1 ksat }', {
    hook: text('an http or https URL').describe('The URL that is asked for the price with a POST of JSON.'),
    ...asked,
    secretFile: text('a file name')
      .optional()
      .describe('A file with the secret that questions are signed with, as Standard Webhooks are.'),
  }),
  grpc: section('a price such as { grpc: "127.0.0.1:10010", most: 1 ksat }', {
    grpc: text('host:port').describe('The price server (Aperture’s pricesrpc), as host:port.'),
    ...asked,
    tls: z
      .union(
        [
          z.boolean(),
          section('true, false or { caFile, serverName }', {
            caFile: text('a file name')
              .optional()
              .describe('The certificate that the price server’s is checked against.'),
            serverName: text('a host name').optional().describe('The name its certificate is for.'),
          }),
        ],
        { error: () => 'true, false or { caFile: FILE }' },
      )
      .optional()
      .describe('Whether the connection is over TLS; false if left out.'),
    metered: flag
      .optional()
      .describe(
        'Whether the price server keeps the balances and is asked about every paid request; false if left out.',
      ),
    usageTail: byteSize
      .optional()
      .describe('Most bytes of an answer’s end that are reported; 16 KiB if left out.'),
    zeroIsFree: flag
      .optional()
      .describe('Whether a price of 0 is free, as Aperture has it; false if left out.'),
  }),
  expr: section('a price such as { expr: "10 sat + 1 msat * bytes" }', {
    expr: text('an expression such as "10 sat + 1 msat * bytes"').describe(
      'What a request costs, by its method, path, query, header lines and size.',
    ),
    most,
  }),
  fiat: section('a price such as { fiat: "$0.02", most: 1 ksat }', {
    fiat: text('an amount in fiat money such as "$0.02"').describe('What a purchase costs in fiat money.'),
    most,
  }),
} as const

/** `rates`. */
export const ratesSchema = section('where rates come from, e.g. { source: coinbase }', {
  source: oneOrMore(
    text('the name of a price API or a URL'),
    'coinbase, kraken, bitstamp, mempool, a URL, or a list of them',
  ).describe('Who says what a bitcoin costs; with several the median counts.'),
  field: text('keys with dots between them, such as data.amount')
    .optional()
    .describe('Where the rate stands in the JSON of sources that are URLs.'),
  refresh: timerDuration.optional().describe('How often the sources are asked; 1m if left out.'),
  maxAge: duration.optional().describe('How old a rate may be; 10m if left out. Then the answer is 503.'),
}).check((ctx) => {
  const sources = ctx.value.source
  const issue = (path: PropertyKey[], message: string): void => {
    ctx.issues.push({ code: 'custom', input: ctx.value, path, message, params: { safe: message } })
  }
  for (const [index, source] of sources.entries()) {
    if (RATE_PRESETS.has(source)) continue
    const at = sources.length === 1 ? ['source'] : ['source', index]
    if (!isHttp(source)) {
      const near = nearestName(source, [...RATE_PRESETS.keys()])
      const hint = near === undefined ? '' : ` Did you mean "${near}"?`
      issue(at, `not a rate source, expected ${[...RATE_PRESETS.keys()].join(', ')} or a URL.${hint}`)
    } else if (ctx.value.field === undefined)
      issue(
        at,
        'a URL without a "field", expected where the rate stands in its JSON, e.g. field: data.amount',
      )
  }
  const { refresh = 60, maxAge = 600 } = ctx.value
  if (maxAge < refresh)
    issue(['maxAge'], 'shorter than "refresh", expected a rate to live until the next one')
})

/** The rates of a checked file. */
export function readRates(rates: z.infer<typeof ratesSchema>): RatesConfig {
  const { source, field = '', refresh = 60, maxAge = 600 } = rates
  return {
    sources: source.map((name) => RATE_PRESETS.get(name) ?? { url: name, field }),
    refreshMs: refresh * 1000,
    maxAgeMs: maxAge * 1000,
  }
}

/** A route's price: fixed, or by something that says it. */
export interface ReadPrice {
  readonly fixedMsat: bigint
  readonly by: PriceConfig | undefined
}

const NOTHING: ReadPrice = { fixedMsat: 0n, by: undefined }

/** Reads `price` at `path`. Pushes what is wrong. */
export function readPrice(source: YamlSource, path: Path, issues: ConfigIssue[]): ReadPrice {
  const value = source.get(path)
  if (value === undefined) return NOTHING
  const report = (below: Path, message: string): ReadPrice => {
    const at = [...path, ...below]
    issues.push({ position: source.locate(at), message: `${pathName(at)}: ${message}` })
    return NOTHING
  }
  const isTable = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (typeof value === 'string' && isFiatPrice(value)) return readFiat({ fiat: value }, [])
  if (!isTable) {
    const fixed = amount.safeParse(value)
    if (fixed.success) return { fixedMsat: fixed.data, by: undefined }
    issues.push(...describeFaults(source, path, fixed.error))
    return NOTHING
  }
  const kinds = (['hook', 'grpc', 'expr', 'fiat'] as const).filter((kind) => Object.hasOwn(value, kind))
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1)
    return report([], 'expected a table with one of hook, grpc, expr, fiat, or an amount such as "10 sat"')
  const parsed = parse(kind, value)
  if ('error' in parsed) {
    issues.push(...describeFaults(source, path, parsed.error))
    return NOTHING
  }
  if ('fiat' in parsed) return readFiat(parsed, ['fiat'])
  if ('expr' in parsed) return readExpression(parsed)
  if (parsed.binds === 'path' && parsed.body === true)
    return report(['body'], 'a price by the body that opens a whole path, expected binds: request')
  if (
    parsed.binds !== undefined &&
    parsed.binds !== 'request' &&
    parsed.headers !== undefined &&
    !isMetered(parsed)
  )
    return report(['headers'], 'a price by header lines that opens more, expected binds: request')
  return 'hook' in parsed ? readHook(parsed) : readGrpc(parsed)

  function readFiat({ fiat, most }: { fiat: string; most?: bigint | undefined }, below: Path): ReadPrice {
    let currency: string
    try {
      currency = parseFiat(fiat).currency
    } catch {
      return report(
        below,
        'not a price, expected an amount in fiat money such as "$0.02", "€0.02" or "0.02 USD"',
      )
    }
    if (source.get(['rates']) === undefined)
      return report(
        below,
        `a price in ${currency} needs a rate, expected "rates: { source: coinbase }" at the top`,
      )
    return { fixedMsat: 0n, by: { kind: 'fiat', text: fiat, currency, mostMsat: most } }
  }

  function readExpression({ expr, most }: { expr: string; most?: bigint | undefined }): ReadPrice {
    try {
      expressionPricer(expr)
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      return report(['expr'], error.message)
    }
    return { fixedMsat: 0n, by: { kind: 'expr', text: expr, mostMsat: most } }
  }

  function readHook(table: z.infer<typeof priceSchemas.hook>): ReadPrice {
    if (!isHttp(table.hook))
      return report(['hook'], 'not a hook, expected an http or https URL without a user name or fragment')
    const by = { kind: 'hook', url: table.hook, secretFile: table.secretFile, ...askedOf(table) } as const
    return { fixedMsat: 0n, by }
  }

  function readGrpc(table: z.infer<typeof priceSchemas.grpc>): ReadPrice {
    if (!/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$/.test(table.grpc))
      return report(['grpc'], 'not a price server, expected host:port such as 127.0.0.1:10010')
    const { tls = false, metered = false, usageTail = 16_384, zeroIsFree = false } = table
    const named = typeof tls === 'object' ? tls : undefined
    const by = {
      kind: 'grpc',
      address: table.grpc,
      tls: tls === false ? undefined : { caFile: named?.caFile, serverName: named?.serverName },
      metered,
      tailBytes: usageTail,
      zeroIsFree,
      ...askedOf(table),
      // Asked again about every request, so that what a purchase opens is the price server's to say.
      ...(metered && table.binds === undefined ? { binds: 'route' as const } : {}),
    } as const
    return { fixedMsat: 0n, by }
  }
}

function parse(kind: keyof typeof priceSchemas, value: unknown) {
  const parsed = priceSchemas[kind].safeParse(value)
  return parsed.success ? parsed.data : { error: parsed.error as z.ZodError }
}

function isMetered(table: object): boolean {
  return 'metered' in table && table.metered === true
}

function askedOf(table: {
  timeout?: number | undefined
  most?: bigint | undefined
  headers?: string[] | undefined
  body?: boolean | undefined
  binds?: 'request' | 'path' | 'route' | undefined
}): Asked & { mostMsat: bigint | undefined } {
  return {
    timeoutMs: (table.timeout ?? 2) * 1000,
    mostMsat: table.most,
    headers: (table.headers ?? []).map((name) => name.toLowerCase()),
    body: table.body ?? false,
    binds: table.binds ?? 'request',
  }
}

/** Whether it is the price server that says what a purchase is good for. */
export function keepsBalances(price: PriceConfig | undefined): boolean {
  return price?.kind === 'grpc' && price.metered
}

/** The rules between a price and the rest of its route. */
export function checkPriced(
  price: PriceConfig,
  route: { readonly anyCapability?: boolean | undefined; readonly charge?: unknown },
  report: Report,
): void {
  const binds = price.kind === 'fiat' || ('binds' in price && price.binds === 'route') ? 'route' : 'more'
  if (binds !== 'route' && route.anyCapability === true)
    report(['anyCapability'], 'the price depends on the request, expected credentials to be bound to it')
  if (binds !== 'route' && route.charge !== undefined)
    report(['charge'], 'the price depends on the request, expected one price for the credit')
  if (price.kind === 'grpc' && price.metered && route.charge !== undefined)
    report(['charge'], 'the price server keeps the balances, expected no "charge" beside "metered"')
}

function isHttp(value: string): boolean {
  const url = /^https?:\/\/[^\s\\#]+$/i.test(value) ? URL.parse(value) : null
  return url !== null && url.username === '' && url.password === ''
}
