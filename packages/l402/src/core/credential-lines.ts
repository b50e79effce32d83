/** Where credentials stand in a request's header lines, as text (rules V1–V3, V5). What the text means: credential.ts. */

/** The header fields that can hold a credential, by lower-case name. */
export type CredentialField = 'authorization' | 'macaroon' | 'token' | 'grpc-metadata-macaroon'

// As nearly every client spells it: known without making a string of the name in lower case.
const USUAL_NAME = 'Authorization'

function named(name: string, field: CredentialField): CredentialField | undefined {
  return name === field || name.toLowerCase() === field ? field : undefined
}

/** The field a header name means. The length decides for nearly every other name. */
export function credentialField(name: string): CredentialField | undefined {
  switch (name.length) {
    case 5:
      return named(name, 'token')
    case 8:
      return named(name, 'macaroon')
    case 13:
      return name === USUAL_NAME ? 'authorization' : named(name, 'authorization')
    case 22:
      return named(name, 'grpc-metadata-macaroon')
    default:
      return undefined
  }
}

/** Macaroon texts and the preimage text that goes with them; `undefined` where it is to be found in a caveat. */
export interface Presented {
  readonly tokens: readonly string[]
  readonly preimage: string | undefined
}

/** What the value of an `Authorization` line holds. */
export interface AuthorizationText {
  /** Whether something in it calls itself L402 or LSAT. */
  readonly claimed: boolean
  readonly presented: readonly Presented[]
}

const TAB = 9
const SPACE = 32
const COMMA = 44
const COLON = 58
const PREIMAGE_DIGITS = 64

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

function isScheme(text: string, start: number, end: number): boolean {
  if (end - start !== 4) return false
  // As nearly every client spells it.
  if (text.startsWith('L402', start)) return true
  const word = text.slice(start, end).toUpperCase()
  return word === 'L402' || word === 'LSAT'
}

/** Whether the value begins with the scheme and a blank, as nearly every credential does. */
export function startsWithScheme(value: string): boolean {
  return isScheme(value, 0, 4) && isBlank(value.charCodeAt(4))
}

/**
 * Reads an `Authorization` value that may be several lines joined with commas (V2), each of them with several tokens
 * before its colon (V5), or with no scheme at all (V1). A scheme is a word that a blank follows, at the start or after
 * a comma. What another scheme says is passed over, but a `<token>:<preimage>` after a comma is not: it may be the
 * second of two joined lines.
 */
export function readAuthorization(value: string): AuthorizationText {
  const presented: Presented[] = []
  let claimed = false
  let tokens: string[] = []
  for (let at = 0, end = 0; at < value.length; at = end + 1) {
    let start = at
    while (isBlank(value.charCodeAt(start))) start++
    let blank = -1
    let colon = -1
    for (end = start; end < value.length; end++) {
      const code = value.charCodeAt(end)
      if (code === COMMA) break
      if (code === COLON && colon < 0) colon = end
      if (blank < 0 && isBlank(code)) blank = end
    }
    let stop = end
    while (stop > start && isBlank(value.charCodeAt(stop - 1))) stop--
    const wordEnd = blank >= 0 && blank < stop ? blank : stop
    if ((wordEnd < stop || at === 0) && isScheme(value, start, wordEnd)) {
      claimed = true
      tokens = []
      start = wordEnd
      while (start < stop && isBlank(value.charCodeAt(start))) start++
    } else if (wordEnd < stop) {
      tokens = []
      continue
    }
    if (start === stop) continue
    if (colon < 0) {
      tokens.push(value.slice(start, stop))
      continue
    }
    if (stop - colon - 1 === PREIMAGE_DIGITS) {
      tokens.push(value.slice(start, colon))
      presented.push({ tokens, preimage: value.slice(colon + 1, stop) })
    }
    tokens = []
  }
  return { claimed, presented }
}

/** Reads the value of a field that holds macaroons in hex, their preimage in a caveat (V3). */
export function readHexField(value: string): Presented {
  const tokens = value.split(',').map((token) => token.trim())
  return { tokens: tokens.filter((token) => token !== ''), preimage: undefined }
}

/**
 * Whether a `token` field looks like a macaroon in hex: the field is also used for quite other things. The first
 * byte of a v2 macaroon is 2; a v1 macaroon begins with a digit, `30` in hex.
 */
export function looksLikeHexMacaroon(value: string): boolean {
  return (value.startsWith('02') || value.startsWith('30')) && /^[0-9A-Fa-f, \t]*$/.test(value)
}
