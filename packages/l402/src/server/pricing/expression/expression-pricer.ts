import type { Pricer } from '../pricer.ts'
import { evaluate } from './evaluate.ts'
import { parseExpression } from './parse.ts'

/** What {@link expressionPricer} takes. */
export interface ExpressionPricerOptions {
  readonly mostMsat?: bigint | undefined
}

/**
 * A price by an expression over method, path, query, header lines and body size, such as
 * `10 sat + 1 msat * bytes` or `query.size == "large" ? 50 sat : 10 sat`. There is no `eval` in it and no loop.
 *
 * What was bought opens those requests of the route that cost no more, so the price is worked out for paid requests too.
 *
 * @throws {ExpressionError} that says what was expected, and where.
 */
export function expressionPricer(source: string, { mostMsat }: ExpressionPricerOptions = {}): Pricer {
  const tree = parseExpression(source)
  return {
    kind: 'expr',
    text: source,
    binds: 'price',
    readsBody: false,
    timeoutMs: 0,
    mostMsat,
    price: (request) => evaluate(tree, request),
  }
}
