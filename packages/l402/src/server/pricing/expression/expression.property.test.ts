import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PriceRequest, Quote } from '../pricer.ts'
import { expressionPricer } from './expression-pricer.ts'
import { ExpressionError } from './tokens.ts'

const at = (bodyBytes: number | null): PriceRequest => ({
  service: 's',
  route: '/',
  method: 'GET',
  path: '/a/b',
  query: '?n=5',
  headers: [],
  bodyBytes,
  clientAddress: '',
})

/** A numeric expression and the fraction that it comes to. */
interface Sum {
  readonly text: string
  readonly n: bigint
  readonly d: bigint
}

const { sum } = fc.letrec<{ sum: Sum; leaf: Sum; pair: Sum }>((tie) => ({
  leaf: fc.nat({ max: 10_000 }).map((value) => ({ text: String(value), n: BigInt(value), d: 1n })),
  pair: fc
    .tuple(tie('sum'), fc.constantFrom('+', '-', '*', '/'), tie('sum'))
    .filter(([, by, right]) => by !== '/' || right.n !== 0n)
    .map(([a, by, b]) => {
      const text = `(${a.text} ${by} ${b.text})`
      if (by === '*') return { text, n: a.n * b.n, d: a.d * b.d }
      if (by === '/') return { text, n: a.n * b.d, d: a.d * b.n }
      const right = a.d * b.n
      return { text, n: a.n * b.d + (by === '+' ? right : -right), d: a.d * b.d }
    }),
  sum: fc.oneof({ maxDepth: 4, depthSize: 'small' }, tie('leaf'), tie('pair')),
}))

describe('any expression', () => {
  it('comes to what fractions come to, rounded up once', () => {
    const property = fc.property(sum, ({ text, n, d }) => {
      const [above, below] = d < 0n ? [-n, -d] : [n, d]
      const quote = expressionPricer(`1 msat * ${text}`).price(at(0), AbortSignal.abort()) as Quote
      if (above <= 0n) expect(quote).toMatchObject({ state: 'failed', why: 'invalid' })
      else if ((above + below - 1n) / below > 2_100_000_000_000_000_000n) expect(quote.state).toBe('failed')
      else expect(quote).toEqual({ state: 'priced', amountMsat: (above + below - 1n) / below })
    })
    fc.assert(property, { numRuns: 300 })
  })

  it('is read, or refused with its place; and its price is above 0, free by name, or none', () => {
    const word = fc.constantFrom(
      ...['10', '1.5', '0', 'sat', 'msat', 'bytes', 'path', 'path[1]', 'method', 'query.n', 'header("a")'],
      ...['free()', 'min(', 'max(', 'ceil(', 'int(', '(', ')', ',', '?', ':', '+', '-', '*', '/', '"b"'],
      ...['==', '<', '&&', '||', '!', '@', '9999999999999999'],
    )
    const source = fc.oneof(
      fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
      fc.string({ maxLength: 60 }),
    )
    const property = fc.property(source, fc.option(fc.nat()), (text, bodyBytes) => {
      let quote: Quote
      try {
        quote = expressionPricer(text).price(at(bodyBytes), AbortSignal.abort()) as Quote
      } catch (error) {
        expect(error).toBeInstanceOf(ExpressionError)
        expect((error as ExpressionError).offset).toBeLessThanOrEqual(text.length)
        return
      }
      if (quote.state === 'priced') expect(quote.amountMsat > 0n).toBe(true)
      if (quote.state === 'free') expect(text).toContain('free()')
    })
    fc.assert(property, { numRuns: 3_000 })
  })
})
