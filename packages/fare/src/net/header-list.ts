/**
 * Header lines for the way from the command line to the first byte. The platform's `Headers` brings the whole of its
 * `fetch` along, which takes as long to load as all the rest of `fare`.
 */

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** A value as RFC 9110 §5.5 allows it once the white space around it is gone. */
const ILLEGAL_VALUE = /[\0\r\n]|[^\0-\xff]/

/** `Headers`, as far as a client needs it: what it takes and refuses is the same. */
export class HeaderList implements Headers {
  readonly #lines: [name: string, value: string][] = []

  /** Throws `TypeError` for names and values that `Headers` would not take. */
  constructor(init: Iterable<readonly [string, string]> = []) {
    for (const [name, value] of init) this.append(name, value)
  }

  append(name: string, value: string): void {
    this.#lines.push(line(name, value))
  }

  delete(name: string): void {
    const wanted = name.toLowerCase()
    for (let i = this.#lines.length - 1; i >= 0; i--)
      if (this.#lines[i]?.[0] === wanted) this.#lines.splice(i, 1)
  }

  get(name: string): string | null {
    const values = this.#values(name)
    return values.length === 0 ? null : values.join(name.toLowerCase() === 'cookie' ? '; ' : ', ')
  }

  getSetCookie(): string[] {
    return this.#values('set-cookie')
  }

  has(name: string): boolean {
    return this.#values(name).length > 0
  }

  set(name: string, value: string): void {
    const added = line(name, value)
    this.delete(name)
    this.#lines.push(added)
  }

  forEach(callback: (value: string, name: string, parent: Headers) => void): void {
    for (const [name, value] of this) callback(value, name, this)
  }

  /** Sorted by name, values of one name joined; `Set-Cookie` line by line. */
  *entries(): HeadersIterator<[string, string]> {
    for (const name of [...new Set(this.#lines.map(([each]) => each))].sort()) {
      if (name === 'set-cookie') for (const value of this.getSetCookie()) yield [name, value]
      else yield [name, this.get(name) ?? '']
    }
  }

  *keys(): HeadersIterator<string> {
    for (const [name] of this) yield name
  }

  *values(): HeadersIterator<string> {
    for (const [, value] of this) yield value
  }

  [Symbol.iterator](): HeadersIterator<[string, string]> {
    return this.entries()
  }

  #values(name: string): string[] {
    const wanted = name.toLowerCase()
    return this.#lines.flatMap(([each, value]) => (each === wanted ? [value] : []))
  }
}

/** A copy of headers in whatever form `fetch` takes them. */
export function headerList(init: HeadersInit | undefined): HeaderList {
  if (init === undefined) return new HeaderList()
  return new HeaderList(Symbol.iterator in init ? (init as Iterable<[string, string]>) : Object.entries(init))
}

function line(name: string, value: string): [string, string] {
  const trimmed = value.replaceAll(/^[\t\n\r ]+|[\t\n\r ]+$/g, '')
  // The value may be a secret: it is not repeated.
  if (!NAME.test(name)) throw new TypeError('expected a legal header name')
  if (ILLEGAL_VALUE.test(trimmed)) throw new TypeError(`expected a legal value for the header ${name}`)
  return [name.toLowerCase(), trimmed]
}
