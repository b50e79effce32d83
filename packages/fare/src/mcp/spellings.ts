/** Characters that are spelled as escapes: `%2F`, `\/`, `\u002f`, `&#x2F;` are all a slash. */

/** A text with its escapes taken off, and where each of its characters stood. */
export interface SpelledOut {
  readonly text: string
  /** Where the character at `index` began in the text as it was; at the end of the text, that one's end. */
  readonly starts: (index: number) => number
}

/** JSON inside of JSON, an encoded URL inside of another: an escape is itself escaped. */
const MOST_LAYERS = 3

/** Every repetition is bounded, so that no text takes longer than its length. */
const ESCAPE =
  /%([0-9a-f]{2})|\\{1,8}(?:u00([0-9a-f]{2})|u\{0{0,4}([0-9a-f]{1,2})\}|x([0-9a-f]{2})|([/+=_-]))|&#x0{0,6}([0-9a-f]{1,2});|&#0{0,6}([0-9]{1,3});|&(sol|plus|equals|lowbar|hyphen|dash|amp|percnt|bsol|num|semi);/gi

const NAMED: Readonly<Record<string, string>> = {
  sol: '/',
  plus: '+',
  equals: '=',
  lowbar: '_',
  hyphen: '-',
  dash: '-',
  amp: '&',
  percnt: '%',
  bsol: '\\',
  num: '#',
  semi: ';',
}

/** Takes escapes of printable ASCII characters off. */
export function spelledOut(raw: string): SpelledOut {
  let text = raw
  let starts: Uint32Array | undefined
  for (let layer = 0; layer < MOST_LAYERS; layer++) {
    const next = withoutLayer(text)
    if (next === undefined) break
    const before = starts
    starts = before === undefined ? next.starts : next.starts.map((at) => before[at] ?? raw.length)
    text = next.text
  }
  const found = starts
  return { text, starts: found === undefined ? (at) => at : (at) => found[at] ?? raw.length }
}

function withoutLayer(text: string): { readonly text: string; readonly starts: Uint32Array } | undefined {
  if (!/[%\\&]/.test(text)) return undefined
  const pieces: string[] = []
  const starts = new Uint32Array(text.length + 1)
  let [from, length] = [0, 0]
  const keep = (until: number): void => {
    pieces.push(text.slice(from, until))
    for (; from < until; from++) starts[length++] = from
  }
  for (const match of text.matchAll(ESCAPE)) {
    const character = characterOf(match)
    if (character === undefined) continue
    keep(match.index)
    pieces.push(character)
    starts[length++] = match.index
    from = match.index + match[0].length
  }
  if (from === 0) return undefined
  keep(text.length)
  starts[length] = text.length
  return { text: pieces.join(''), starts: starts.subarray(0, length + 1) }
}

function characterOf(match: RegExpExecArray): string | undefined {
  const [, percent, u, braces, x, itself, hexEntity, decimalEntity, name] = match
  if (itself !== undefined) return itself
  if (name !== undefined) return NAMED[name.toLowerCase()]
  const hex = percent ?? u ?? braces ?? x ?? hexEntity
  const code = hex === undefined ? Number(decimalEntity) : Number.parseInt(hex, 16)
  return code > 0x20 && code < 0x7f ? String.fromCharCode(code) : undefined
}
