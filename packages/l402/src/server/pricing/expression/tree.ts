/** A price expression as a tree. Every node has one type, known when it is read. */

/** `price`: an amount, or free; the type of the whole. `text` reads as a number where one is needed. */
export type Type = 'number' | 'amount' | 'price' | 'text' | 'truth'

/** A fraction in lowest terms is not needed: `n / d`, `d` > 0. Amounts are in msat. */
export interface Fraction {
  readonly n: bigint
  readonly d: bigint
}

export type Arithmetic = '+' | '-' | '*' | '/'
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>='

export type Node =
  | { readonly is: 'constant'; readonly value: Fraction }
  | { readonly is: 'string'; readonly value: string }
  | { readonly is: 'free' | 'bytes' | 'method' | 'path' }
  | { readonly is: 'segment'; readonly index: number }
  | { readonly is: 'query' | 'header'; readonly name: string }
  /** Of a text; `missing` where the text is empty. */
  | { readonly is: 'int'; readonly of: Node; readonly name: string; readonly missing: Node | undefined }
  | { readonly is: 'arithmetic'; readonly by: Arithmetic; readonly left: Node; readonly right: Node }
  | { readonly is: 'negative' | 'ceil' | 'floor' | 'not'; readonly of: Node }
  | { readonly is: 'min' | 'max'; readonly of: readonly Node[] }
  | { readonly is: 'compareNumbers'; readonly by: Comparison; readonly left: Node; readonly right: Node }
  | { readonly is: 'sameText'; readonly same: boolean; readonly left: Node; readonly right: Node }
  | { readonly is: 'and' | 'or'; readonly left: Node; readonly right: Node }
  | { readonly is: 'choice'; readonly test: Node; readonly yes: Node; readonly no: Node }

/** A node and its type. */
export interface Typed {
  readonly node: Node
  readonly type: Type
  /** Where it begins. */
  readonly at: number
}
