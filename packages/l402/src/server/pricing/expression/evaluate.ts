/** The value of a price expression for one request. Exact: fractions, rounded once at the end, upwards. */

import { MAX_AMOUNT_MSAT } from '../../../core/amount.ts'
import { noPrice, type PriceFailure, type PriceRequest, type Quote } from '../pricer.ts'
import type { Comparison, Fraction, Node } from './tree.ts'

/** What a request, or a number, cannot be priced for. */
class Unpriced extends Error {
  readonly why: PriceFailure

  constructor(why: PriceFailure, message: string) {
    super(message)
    this.why = why
  }
}

type Value = Fraction | string | boolean | 'free()'

/** What the expression says. Never throws. */
export function evaluate(tree: Node, request: PriceRequest): Quote {
  try {
    const value = valued(tree, request)
    if (value === FREE) return { state: 'free' }
    const { n, d } = value as Fraction
    if (n < 0n) return noPrice('invalid', 'the expression came to less than nothing')
    if (n === 0n)
      return noPrice('invalid', 'the expression came to 0, expected free() where nothing is to be paid')
    const amountMsat = (n + d - 1n) / d
    if (amountMsat > MAX_AMOUNT_MSAT) return noPrice('invalid', 'the expression came to more than there is')
    return { state: 'priced', amountMsat }
  } catch (error) {
    if (!(error instanceof Unpriced)) throw error
    return noPrice(error.why, error.message)
  }
}

// No text can be taken for it: texts and prices never meet in one place (see parse.ts).
const FREE = 'free()'

function valued(node: Node, request: PriceRequest): Value {
  const number = (of: Node): Fraction => valued(of, request) as Fraction
  const truth = (of: Node): boolean => valued(of, request) as boolean
  switch (node.is) {
    case 'constant':
    case 'string':
      return node.value
    case 'free':
      return FREE
    case 'bytes':
      if (request.bodyBytes === null) throw new Unpriced('unpriceable', 'expected a Content-Length')
      return { n: BigInt(request.bodyBytes), d: 1n }
    case 'method':
      return request.method
    case 'path':
      return request.path
    case 'segment':
      return request.path.split('/')[node.index + 1] ?? ''
    case 'query':
      return queryValue(request.query, node.name)
    case 'header':
      return headerValue(request, node.name)
    case 'int':
      return wholeNumber(valued(node.of, request) as string, node.name, () =>
        node.missing === undefined ? undefined : number(node.missing),
      )
    case 'arithmetic':
      return bounded(reckon(node.by, number(node.left), number(node.right)))
    case 'negative': {
      const { n, d } = number(node.of)
      return { n: -n, d }
    }
    case 'ceil':
    case 'floor': {
      const { n, d } = number(node.of)
      const down = n / d - (n % d < 0n ? 1n : 0n)
      return { n: node.is === 'ceil' && n % d !== 0n ? down + 1n : down, d: 1n }
    }
    case 'min':
    case 'max':
      return node.of.map(number).reduce((a, b) => (holds(node.is === 'min' ? '<=' : '>=', a, b) ? a : b))
    case 'compareNumbers':
      return holds(node.by, number(node.left), number(node.right))
    case 'sameText':
      return (valued(node.left, request) === valued(node.right, request)) === node.same
    case 'and':
      return truth(node.left) && truth(node.right)
    case 'or':
      return truth(node.left) || truth(node.right)
    case 'not':
      return !truth(node.of)
    case 'choice':
      return valued(truth(node.test) ? node.yes : node.no, request)
  }
}

function reckon(by: string, a: Fraction, b: Fraction): Fraction {
  switch (by) {
    case '+':
      return { n: a.n * b.d + b.n * a.d, d: a.d * b.d }
    case '-':
      return { n: a.n * b.d - b.n * a.d, d: a.d * b.d }
    case '*':
      return { n: a.n * b.n, d: a.d * b.d }
    default: {
      if (b.n === 0n) throw new Unpriced('invalid', 'the expression divided by 0')
      const sign = b.n < 0n ? -1n : 1n
      return { n: sign * a.n * b.d, d: sign * a.d * b.n }
    }
  }
}

const MAX_PART = 2n ** 512n

function bounded(value: Fraction): Fraction {
  const { n, d } = value
  if (n < MAX_PART && n > -MAX_PART && d < MAX_PART) return value
  throw new Unpriced('invalid', 'the expression came to a number that is too large')
}

function holds(by: Comparison, a: Fraction, b: Fraction): boolean {
  const [left, right] = [a.n * b.d, b.n * a.d]
  switch (by) {
    case '==':
      return left === right
    case '!=':
      return left !== right
    case '<':
      return left < right
    case '<=':
      return left <= right
    case '>':
      return left > right
    case '>=':
      return left >= right
  }
}

function wholeNumber(text: string, name: string, missing: () => Fraction | undefined): Fraction {
  const value = text === '' ? missing() : undefined
  if (value !== undefined) return value
  // What an upstream might read as another number is none.
  if (!/^(?:0|[1-9][0-9]{0,17})$/.test(text))
    throw new Unpriced('unpriceable', `expected a whole number in the request's ${name}`)
  return { n: BigInt(text), d: 1n }
}

/** The one value of a query's name; empty without one. Two readers must not find two values in it. */
function queryValue(query: string, name: string): string {
  if (query.length <= 1) return ''
  const values = new URLSearchParams(query).getAll(name)
  const others = query.includes(';') ? new URLSearchParams(query.replaceAll(';', '&')).getAll(name) : values
  const nested = query.includes('[') || query.includes('%5B') || query.includes('%5b')
  const listed = nested && [...new URLSearchParams(query).keys()].some((key) => key.startsWith(`${name}[`))
  if (values.length > 1 || others.length !== values.length || listed)
    throw new Unpriced('unpriceable', `expected ${name} at most once in the query`)
  return values[0] ?? ''
}

/** The one value of a header field; empty without one. */
function headerValue({ headers }: PriceRequest, lowerName: string): string {
  let found: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if ((headers[i] as string).toLowerCase() !== lowerName) continue
    if (found !== undefined) throw new Unpriced('unpriceable', `expected at most one ${lowerName} line`)
    found = headers[i + 1] as string
  }
  return found ?? ''
}
