/**
 * The generic list of authentication challenges, `WWW-Authenticate` (RFC 9110 §11.6.1), read the way a client must
 * (rule C1): joined and separate values, any mix of schemes, in time that grows with the length and no faster.
 *
 * One scanner goes once over the text; no character is looked at more than a few times, and nothing goes back.
 */

/** One challenge of the list. */
export interface AuthChallenge {
  /** As written; compare without case. */
  readonly scheme: string
  /** `Negotiate YII…`: the scheme's one unnamed value. Such a challenge has no parameters. */
  readonly token68?: string
  /** By lower-case name, quotes and quoted-pairs taken off. The first of several equal names counts. */
  readonly params: ReadonlyMap<string, string>
  /**
   * Names in `params` whose value cannot be relied on: given more than once, its quote never closed, not quoted and
   * no comma after it, or followed by text that is not grammar. Where money hangs on the value, take it for absent.
   */
  readonly doubtful: ReadonlySet<string>
}

/** Text beyond this many characters, all values together, is not read. */
const MAX_TEXT = 1 << 20
/** Challenges beyond this number are not read. */
const MAX_CHALLENGES = 256
/** Parameters of one challenge beyond this number are passed over. */
const MAX_PARAMS = 64

const TAB = 9
const SPACE = 32
const QUOTE = 34
const COMMA = 44
const EQUALS = 61
const BACKSLASH = 92

const ALPHANUMERIC = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

type CharSet = Uint8Array

function charSet(characters: string): CharSet {
  const set = new Uint8Array(128)
  for (const character of characters) set[character.charCodeAt(0)] = 1
  return set
}

/** tchar, RFC 9110 §5.6.2. */
const TOKEN = charSet(`${ALPHANUMERIC}!#$%&'*+-.^_\`|~`)
/** token68 without its padding, RFC 9110 §11.2. */
const TOKEN68 = charSet(`${ALPHANUMERIC}-._~+/`)

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

function skipBlank(text: string, from: number): number {
  let at = from
  while (isBlank(text.charCodeAt(at))) at++
  return at
}

function skipAll(text: string, from: number, set: CharSet): number {
  let at = from
  while (set[text.charCodeAt(at)] === 1) at++
  return at
}

/** Whether a list element ends here. */
function endsElement(text: string, at: number): boolean {
  return at >= text.length || text.charCodeAt(at) === COMMA
}

/** From an opening quote to just after the closing one; -1 when it never closes. */
function skipQuoted(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at + 1
    if (code === BACKSLASH) at++
  }
  return -1
}

/** To the comma that ends the list element, or the end; commas in quotes do not count. */
function skipElement(text: string, from: number): number {
  let at = from
  while (!endsElement(text, at)) {
    if (text.charCodeAt(at) !== QUOTE) {
      at++
      continue
    }
    at = skipQuoted(text, at)
    if (at < 0) return text.length
  }
  return at
}

interface ValueRead {
  readonly value: string
  readonly end: number
  /** Whether it certainly ends there. */
  readonly sure: boolean
}

/** A parameter's value. What is not quoted goes on to a comma, blank or quote: base64 in the wild is not a token. */
function readParamValue(text: string, from: number): ValueRead {
  const start = skipBlank(text, from)
  if (text.charCodeAt(start) === QUOTE) {
    const end = skipQuoted(text, start)
    const sure = end >= 0
    const inner = text.slice(start + 1, sure ? end - 1 : text.length)
    // quoted-pair, RFC 9110 §5.6.4
    const value = inner.includes('\\') ? inner.replace(/\\(.)/gs, '$1') : inner
    return { value, end: sure ? end : text.length, sure }
  }
  let end = start
  while (!endsElement(text, end) && !isBlank(text.charCodeAt(end)) && text.charCodeAt(end) !== QUOTE) end++
  return { value: text.slice(start, end), end, sure: endsElement(text, skipBlank(text, end)) }
}

/** The end of a token68 that fills its list element; -1 when what stands here is something else. */
function endOfToken68(text: string, start: number): number {
  let end = skipAll(text, start, TOKEN68)
  if (end === start) return -1
  while (text.charCodeAt(end) === EQUALS) end++
  return endsElement(text, skipBlank(text, end)) ? end : -1
}

interface OpenChallenge extends AuthChallenge {
  readonly params: Map<string, string>
  readonly doubtful: Set<string>
}

function addParam(challenge: OpenChallenge, name: string, read: ValueRead): void {
  const { params, doubtful } = challenge
  if (params.has(name)) doubtful.add(name)
  else if (params.size < MAX_PARAMS) params.set(name, read.value)
  if (!read.sure && params.has(name)) doubtful.add(name)
}

function readFieldValue(text: string, found: AuthChallenge[]): void {
  let open: OpenChallenge | undefined // the challenge that parameters belong to
  let last: string | undefined // the parameter read just before, in the same list element
  let fresh = true // at the start of a list element: the only place where a scheme can stand
  let at = 0
  while (at < text.length) {
    const start = skipBlank(text, at)
    if (endsElement(text, start)) {
      at = start + 1
      fresh = true
      last = undefined
      continue
    }
    const wordEnd = skipAll(text, start, TOKEN)
    const next = skipBlank(text, wordEnd)
    if (wordEnd > start && text.charCodeAt(next) === EQUALS) {
      // A comma that is missing between two parameters is forgiven (rule C1).
      const read = readParamValue(text, next + 1)
      last = text.slice(start, wordEnd).toLowerCase()
      if (open !== undefined) addParam(open, last, read)
      at = read.end
    } else if (fresh && wordEnd > start && (next > wordEnd || endsElement(text, next))) {
      if (found.length === MAX_CHALLENGES) return
      const scheme = text.slice(start, wordEnd)
      const end = next < text.length ? endOfToken68(text, next) : -1
      open = { scheme, params: new Map(), doubtful: new Set() }
      found.push(end < 0 ? open : { ...open, token68: text.slice(next, end) })
      if (end >= 0) open = undefined
      at = end < 0 ? next : end
    } else {
      // Not grammar. Whose the parameters after it are cannot be known.
      if (last !== undefined && open?.params.has(last)) open.doubtful.add(last)
      open = undefined
      at = skipElement(text, Math.max(wordEnd, start))
    }
    fresh = false
  }
}

/**
 * All challenges in the values of `WWW-Authenticate` (or `Proxy-Authenticate`) field lines, in order. Never throws;
 * what is not grammar is passed over up to the next comma, and what stood before it survives.
 */
export function parseAuthChallenges(values: readonly string[]): readonly AuthChallenge[] {
  const found: AuthChallenge[] = []
  let length = 0
  for (const value of values) {
    length += value.length
    if (length > MAX_TEXT || found.length === MAX_CHALLENGES) break
    readFieldValue(value, found)
  }
  return found
}
