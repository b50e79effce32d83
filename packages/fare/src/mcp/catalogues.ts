/** Reads what sellers publish about their prices. Whatever does not fit is left out. */

import { formatAmount } from '@turnpike/l402'
import { shown } from './results.ts'

/** Something on sale, in the seller's words. */
export interface Listed {
  readonly method: string
  readonly url: string
  readonly description: string | null
  readonly price: string | null
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options']
/** Read of one document. */
const MOST_ENTRIES = 1_000

type Table = Readonly<Record<string, unknown>>

/** `/.well-known/l402-services`: `{services: [{endpoint, method, …}]}`. */
export function listedIn(text: string | null, origin: string): Listed[] {
  const services = tableOf(text)?.['services']
  if (!Array.isArray(services)) return []
  return services.slice(0, MOST_ENTRIES).flatMap((one: unknown): Listed[] => {
    if (!isTable(one) || typeof one['endpoint'] !== 'string') return []
    const url = urlAt(one['endpoint'], origin)
    if (url === undefined) return []
    return [
      {
        method: methodOf(one['method']),
        url,
        description: textIn(one, 'description') ?? textIn(one, 'name'),
        price: priceIn(one),
      },
    ]
  })
}

/** `/openapi.json`: operations with `x-payment-info`. */
export function operationsIn(text: string | null, origin: string): Listed[] {
  const api = tableOf(text)
  const paths = api?.['paths']
  if (!isTable(paths)) return []
  const base = baseOf(api, origin)
  const found: Listed[] = []
  for (const [path, item] of Object.entries(paths).slice(0, MOST_ENTRIES)) {
    if (!isTable(item)) continue
    for (const method of METHODS) {
      const operation = item[method]
      if (!isTable(operation) || !isTable(operation['x-payment-info'])) continue
      const url = urlAt(base + path, origin)
      if (url === undefined) continue
      const description = textIn(operation, 'summary') ?? textIn(operation, 'description')
      const price = priceIn(operation['x-payment-info'])
      found.push({ method: method.toUpperCase(), url, description, price })
    }
  }
  return found
}

/** The path before all paths, where the document's first server is of this origin. */
function baseOf(api: Table | undefined, origin: string): string {
  const servers = api?.['servers']
  const first: unknown = Array.isArray(servers) ? servers[0] : undefined
  if (!isTable(first) || typeof first['url'] !== 'string') return ''
  const url = urlAt(first['url'], origin)
  return url === undefined ? '' : new URL(url).pathname.replace(/\/$/, '')
}

function priceIn(table: Table): string | null {
  const offers = table['offers']
  const first: unknown = Array.isArray(offers) ? offers[0] : undefined
  if (isTable(first)) return priceIn(first)
  const msat = numberIn(table, 'priceMsat') ?? numberIn(table, 'price_msat')
  if (msat !== null) return formatAmount(msat)
  const sats = numberIn(table, 'priceSats') ?? numberIn(table, 'price_sats')
  if (sats !== null) return formatAmount(sats * 1000n)
  const amount = numberIn(table, 'amount')
  const currency = textIn(table, 'currency')
  if (amount !== null && currency !== null)
    return /^sats?$/i.test(currency) ? formatAmount(amount * 1000n) : `${amount} ${currency}`
  return textIn(table, 'price')
}

function numberIn(table: Table, name: string): bigint | null {
  const value = table[name]
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : ''
  return /^[0-9]{1,15}$/.test(text) ? BigInt(text) : null
}

function textIn(table: Table, name: string): string | null {
  const value = table[name]
  return typeof value === 'string' && value !== '' ? shown(value, 200) : null
}

function methodOf(value: unknown): string {
  return typeof value === 'string' && /^[A-Za-z]{1,16}$/.test(value) ? value.toUpperCase() : 'GET'
}

/** Of this origin only: nobody sells in another's name here. */
function urlAt(text: string, origin: string): string | undefined {
  if (!URL.canParse(text, origin)) return undefined
  const url = new URL(text, origin)
  return url.origin === origin ? shown(decodeBraces(url.href), 500) : undefined
}

/** `{city}` is how a template is written. */
function decodeBraces(href: string): string {
  return href.replaceAll('%7B', '{').replaceAll('%7D', '}')
}

function tableOf(text: string | null): Table | undefined {
  if (text === null) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isTable(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
