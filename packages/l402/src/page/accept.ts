/** Which of its two bodies a 402 has (rule S6; RFC 9110 §12.5.1). */

/** What is not worth reading: no browser sends as much. */
const MOST_TEXT = 2048

interface Weight {
  /** How exactly the range names the type: 0 for `*` `/*`, 1 for `type/*`, 2 for the type itself. */
  exactness: number
  q: number
}

/**
 * Whether these values of `Accept` put `text/html` before the problem in JSON. Equal weights do not: JSON is for everybody
 * who does not prefer the page. Linear time, and never throws.
 */
export function prefersHtml(accept: string): boolean {
  if (accept.length > MOST_TEXT) return false
  const html: Weight = { exactness: -1, q: 0 }
  const problem: Weight = { exactness: -1, q: 0 }
  const json: Weight = { exactness: -1, q: 0 }
  for (const item of splitOutsideQuotes(accept, ',')) {
    const [range = '', ...parameters] = splitOutsideQuotes(item, ';').map((part) => part.trim().toLowerCase())
    const q = weightOf(parameters)
    if (q === undefined) continue
    weigh(html, range, q, ['text/html', 'text/*'])
    weigh(problem, range, q, ['application/problem+json', 'application/*'])
    weigh(json, range, q, ['application/json', 'application/*'])
  }
  return html.q > 0 && html.q > Math.max(problem.q, json.q)
}

function weigh(
  weight: Weight,
  range: string,
  q: number,
  [exact, family]: readonly [exact: string, family: string],
): void {
  const exactness = range === exact ? 2 : range === family ? 1 : range === '*/*' ? 0 : -1
  if (exactness < 0 || exactness < weight.exactness) return
  weight.q = exactness === weight.exactness ? Math.max(weight.q, q) : q
  weight.exactness = exactness
}

/** 1 without a `q`; `undefined` for one that is none, whose range counts for nothing. */
function weightOf(parameters: readonly string[]): number | undefined {
  const q = parameters.find((parameter) => parameter.startsWith('q='))
  if (q === undefined) return 1
  return /^q=(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q.slice(2)) : undefined
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = []
  let quoted = false
  let from = 0
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (quoted && char === '\\') i++
    else if (char === '"') quoted = !quoted
    else if (char === separator && !quoted) {
      parts.push(text.slice(from, i))
      from = i + 1
    }
  }
  parts.push(text.slice(from))
  return parts
}
