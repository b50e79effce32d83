/** The words of a price expression. */

/** What is wrong with an expression, and where. */
export class ExpressionError extends RangeError {
  override readonly name = 'ExpressionError'
  /** Characters before the fault. */
  readonly offset: number

  constructor(message: string, offset: number) {
    super(`${message} (character ${offset + 1} of the expression)`)
    this.offset = offset
  }
}

/** `number`: decimal digits with at most one point. `name`: letters, digits, `_`. `text`: without its quotes. */
export interface Token {
  readonly kind: 'number' | 'name' | 'text' | 'sign' | 'end'
  readonly text: string
  readonly at: number
}

/** Longest expression, in characters. */
const MAX_EXPRESSION = 1_000

const SIGNS = ['&&', '||', '==', '!=', '<=', '>=', ...'+-*/()<>!?:.,[]']

/**
 * Cuts an expression into words; the last one is `end`.
 *
 * @throws {ExpressionError}
 */
export function tokenise(source: string): readonly Token[] {
  if (source.length > MAX_EXPRESSION)
    throw new ExpressionError(`expected at most ${MAX_EXPRESSION} characters`, MAX_EXPRESSION)
  const tokens: Token[] = []
  const rule = /\s+|(?<number>\d+(?:\.\d+)?)|(?<name>[A-Za-z_]\w*)|"(?<double>[^"]*)"|'(?<single>[^']*)'/y
  let at = 0
  while (at < source.length) {
    rule.lastIndex = at
    const found = rule.exec(source)
    if (found !== null) {
      const { number, name, double, single } = found.groups ?? {}
      if (number !== undefined) tokens.push({ kind: 'number', text: number, at })
      else if (name !== undefined) tokens.push({ kind: 'name', text: name, at })
      else if (double !== undefined || single !== undefined)
        tokens.push({ kind: 'text', text: double ?? single ?? '', at })
      at = rule.lastIndex
      continue
    }
    const sign = SIGNS.find((candidate) => source.startsWith(candidate, at))
    if (sign === undefined) {
      const quote = source[at] === '"' || source[at] === "'"
      throw new ExpressionError(quote ? 'a text without an end' : 'a character that means nothing here', at)
    }
    tokens.push({ kind: 'sign', text: sign, at })
    at += sign.length
  }
  tokens.push({ kind: 'end', text: '', at: source.length })
  return tokens
}
