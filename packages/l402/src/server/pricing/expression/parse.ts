/**
 * Reads price expressions by recursive descent. Types are checked here, so that evaluating can only fail by what a request
 * lacks and by numbers.
 */

import { parseAmount } from '../../../core/amount.ts'
import { isL402Error } from '../../../core/errors.ts'
import { ExpressionError, type Token, tokenise } from './tokens.ts'
import type { Arithmetic, Comparison, Fraction, Node, Type, Typed } from './tree.ts'

const MAX_DEPTH = 32
const UNITS: ReadonlySet<string> = new Set(['msat', 'sat', 'sats', 'ksat', 'btc'])
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])

const EXPECTED =
  'expected a number, an amount such as 10 sat, a text, or one of bytes, method, path, query.NAME, header("NAME"), min, max, ceil, floor, int, free'

/**
 * The tree of an expression whose type is an amount.
 *
 * @throws {ExpressionError} that says what was expected, and where.
 */
export function parseExpression(source: string): Node {
  const reader = new Reader(tokenise(source))
  const whole = reader.choice()
  reader.end()
  if (whole.type !== 'amount' && whole.type !== 'price')
    throw new ExpressionError(
      `the whole is ${NAMES[whole.type]}, expected an amount, e.g. 10 sat + 1 msat * bytes`,
      whole.at,
    )
  return whole.node
}

const NAMES: Readonly<Record<Type, string>> = {
  number: 'a number',
  amount: 'an amount',
  price: 'an amount or free()',
  text: 'a text',
  truth: 'true or false',
}

class Reader {
  readonly #tokens: readonly Token[]
  #next = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  end(): void {
    if (this.#token.kind !== 'end') this.#fail('expected the end, or an operator')
  }

  /** `test ? yes : no`, and all that binds closer. */
  choice(): Typed {
    this.#deeper()
    const test = this.#or()
    let result = test
    if (this.#take('?')) {
      this.#demand(test, 'truth')
      const yes = this.choice()
      this.#expect(':')
      const no = this.choice()
      result = typed(
        { is: 'choice', test: test.node, ...this.#alike(yes, no) },
        this.#common(yes, no),
        test.at,
      )
    }
    this.#depth--
    return result
  }

  #or(): Typed {
    let left = this.#and()
    while (this.#take('||')) {
      const right = this.#and()
      left = typed(
        { is: 'or', left: this.#demand(left, 'truth'), right: this.#demand(right, 'truth') },
        'truth',
        left.at,
      )
    }
    return left
  }

  #and(): Typed {
    let left = this.#comparison()
    while (this.#take('&&')) {
      const right = this.#comparison()
      left = typed(
        { is: 'and', left: this.#demand(left, 'truth'), right: this.#demand(right, 'truth') },
        'truth',
        left.at,
      )
    }
    return left
  }

  #comparison(): Typed {
    const left = this.#sum()
    const { text, kind } = this.#token
    if (kind !== 'sign' || !COMPARISONS.has(text)) return left
    this.#next++
    const right = this.#sum()
    if (left.type === 'text' && right.type === 'text') {
      if (text !== '==' && text !== '!=')
        throw new ExpressionError('texts have no order, expected == or !=, or int(…) around them', left.at)
      return typed(
        { is: 'sameText', same: text === '==', left: left.node, right: right.node },
        'truth',
        left.at,
      )
    }
    const type = left.type === 'amount' || right.type === 'amount' ? 'amount' : 'number'
    const sides = { left: this.#demand(left, type), right: this.#demand(right, type) }
    return typed({ is: 'compareNumbers', by: text as Comparison, ...sides }, 'truth', left.at)
  }

  #sum(): Typed {
    let left = this.#product()
    for (;;) {
      const by = this.#oneOf('+', '-')
      if (by === undefined) return left
      const right = this.#product()
      const type = left.type === 'amount' || right.type === 'amount' ? 'amount' : 'number'
      left = arithmetic(by, this.#demand(left, type), this.#demand(right, type), { type, at: left.at })
    }
  }

  #product(): Typed {
    let left = this.#unary()
    for (;;) {
      const by = this.#oneOf('*', '/')
      if (by === undefined) return left
      const right = this.#unary()
      // An amount times an amount, or by one, is not anything that costs.
      if (by === '/' || left.type === 'amount') {
        const type = left.type === 'amount' ? 'amount' : 'number'
        left = arithmetic(by, this.#demand(left, type), this.#demand(right, 'number'), { type, at: left.at })
      } else {
        const type = right.type === 'amount' ? 'amount' : 'number'
        left = arithmetic(by, this.#demand(left, 'number'), this.#demand(right, type), { type, at: left.at })
      }
    }
  }

  #unary(): Typed {
    const { at } = this.#token
    const sign = this.#oneOf('!', '-')
    if (sign === undefined) return this.#atom()
    this.#deeper()
    const of = this.#unary()
    this.#depth--
    if (sign === '!') return typed({ is: 'not', of: this.#demand(of, 'truth') }, 'truth', at)
    const type = of.type === 'amount' ? 'amount' : 'number'
    return typed({ is: 'negative', of: this.#demand(of, type) }, type, at)
  }

  #atom(): Typed {
    const token = this.#token
    const { at } = token
    if (this.#take('(')) {
      const inner = this.choice()
      this.#expect(')')
      return inner
    }
    this.#next++
    if (token.kind === 'number') return this.#number(token)
    if (token.kind === 'text') return typed({ is: 'string', value: token.text }, 'text', at)
    if (token.kind === 'name') return this.#name(token)
    throw new ExpressionError(EXPECTED, at)
  }

  #number({ text, at }: Token): Typed {
    const unit = this.#token
    if (unit.kind === 'name' && UNITS.has(unit.text)) {
      this.#next++
      return typed({ is: 'constant', value: amountOf(`${text} ${unit.text}`, at) }, 'amount', at)
    }
    if (unit.kind === 'name') this.#fail(`expected a unit (${[...UNITS].join(', ')}) or an operator`)
    if (text.length > 30) throw new ExpressionError('expected a number of at most 30 digits', at)
    const [whole = '', fraction = ''] = text.split('.')
    const value: Fraction = { n: BigInt(whole + fraction), d: 10n ** BigInt(fraction.length) }
    return typed({ is: 'constant', value }, 'number', at)
  }

  #name({ text, at }: Token): Typed {
    switch (text) {
      case 'bytes':
        return typed({ is: 'bytes' }, 'number', at)
      case 'method':
        return typed({ is: 'method' }, 'text', at)
      case 'path':
        return typed(this.#take('[') ? this.#segment() : { is: 'path' }, 'text', at)
      case 'query':
        return typed({ is: 'query', name: this.#queryName() }, 'text', at)
      case 'header':
        return typed({ is: 'header', name: this.#quotedName().toLowerCase() }, 'text', at)
      case 'free':
        this.#expect('(')
        this.#expect(')')
        return typed({ is: 'free' }, 'price', at)
      case 'int':
        return this.#int(at)
      case 'ceil':
      case 'floor': {
        const [of, ...more] = this.#arguments()
        if (of === undefined || more.length > 0)
          throw new ExpressionError(`expected one number in ${text}(…)`, at)
        const type = of.type === 'amount' ? 'amount' : 'number'
        return typed({ is: text, of: this.#demand(of, type) }, type, at)
      }
      case 'min':
      case 'max': {
        const all = this.#arguments()
        const type = all.some((one) => one.type === 'amount') ? 'amount' : 'number'
        if (all.length < 2) throw new ExpressionError(`expected two or more in ${text}(…)`, at)
        return typed({ is: text, of: all.map((one) => this.#demand(one, type)) }, type, at)
      }
      default:
        throw new ExpressionError(EXPECTED, at)
    }
  }

  #int(at: number): Typed {
    const [of, missing, ...more] = this.#arguments()
    if (of === undefined || of.type !== 'text' || more.length > 0)
      throw new ExpressionError('expected a text in int(…), and perhaps a number for where it is empty', at)
    const node = numberFrom(of, missing === undefined ? undefined : this.#demand(missing, 'number'))
    return typed(node, 'number', at)
  }

  #segment(): Node {
    const { kind, text, at } = this.#token
    if (kind !== 'number' || !/^\d{1,3}$/.test(text))
      throw new ExpressionError('expected the number of a segment, path[0] being the first', at)
    this.#next++
    this.#expect(']')
    return { is: 'segment', index: Number(text) }
  }

  #queryName(): string {
    if (!this.#take('.')) return this.#quotedName()
    const { kind, text } = this.#token
    if (kind !== 'name') this.#fail('expected a name, as in query.size or query("page-size")')
    this.#next++
    return text
  }

  #quotedName(): string {
    this.#expect('(')
    const { kind, text } = this.#token
    if (kind !== 'text' || text === '') this.#fail('expected a name in quotes')
    this.#next++
    this.#expect(')')
    return text
  }

  #arguments(): readonly Typed[] {
    this.#expect('(')
    const all = [this.choice()]
    while (this.#take(',')) all.push(this.choice())
    this.#expect(')')
    return all
  }

  /** Both branches as one type. */
  #alike(yes: Typed, no: Typed): { yes: Node; no: Node } {
    const type = this.#common(yes, no)
    return { yes: this.#demand(yes, type), no: this.#demand(no, type) }
  }

  #common(yes: Typed, no: Typed): Type {
    if (yes.type === 'price' || no.type === 'price') return 'price'
    if (yes.type === 'text' && no.type === 'number') return 'number'
    return yes.type
  }

  #demand(value: Typed, type: Type): Node {
    if (value.type === type || (type === 'price' && value.type === 'amount')) return value.node
    if (value.type === 'text' && type === 'number') return numberFrom(value, undefined)
    const free = value.type === 'price' ? '; nothing can be reckoned with free()' : ''
    throw new ExpressionError(`this is ${NAMES[value.type]}, expected ${NAMES[type]}${free}`, value.at)
  }

  get #token(): Token {
    return this.#tokens[this.#next] as Token
  }

  #take(sign: string): boolean {
    const { kind, text } = this.#token
    if (kind !== 'sign' || text !== sign) return false
    this.#next++
    return true
  }

  #oneOf<const S extends string>(...signs: readonly S[]): S | undefined {
    return signs.find((sign) => this.#take(sign))
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) this.#fail(`expected "${sign}"`)
  }

  #deeper(): void {
    this.#depth++
    if (this.#depth > MAX_DEPTH) this.#fail(`expected at most ${MAX_DEPTH} levels`)
  }

  #fail(message: string): never {
    throw new ExpressionError(message, this.#token.at)
  }
}

function typed(node: Node, type: Type, at: number): Typed {
  return { node, type, at }
}

function arithmetic(
  by: Arithmetic,
  left: Node,
  right: Node,
  { type, at }: { readonly type: Type; readonly at: number },
): Typed {
  return typed({ is: 'arithmetic', by, left, right }, type, at)
}

function numberFrom({ node }: Typed, missing: Node | undefined): Node {
  const name =
    'name' in node ? `${node.is} ${node.name}` : node.is === 'segment' ? `path[${node.index}]` : node.is
  return { is: 'int', of: node, name, missing }
}

function amountOf(text: string, at: number): Fraction {
  try {
    return { n: parseAmount(text), d: 1n }
  } catch (error) {
    if (!isL402Error(error, 'malformed')) throw error
    throw new ExpressionError('expected an amount of whole millisatoshis, at most 21 million bitcoin', at)
  }
}
