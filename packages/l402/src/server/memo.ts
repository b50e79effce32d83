/** The invoice's description: a text of the seller's, with names in braces that stand for what is sold. */

import { encodeUtf8 } from '../core/bytes.ts'
import { headerValue } from './clear-request.ts'
import type { GateRequest, RouteTerms } from './gate.ts'

/** What an invoice's description may hold, in bytes of UTF-8. */
const MAX_BYTES = 639
/** Most characters of one value; a client says some of them. */
const MAX_CHARACTERS = 120

const NAMES = ['service', 'route', 'method', 'path', 'host'] as const
type Name = (typeof NAMES)[number]

const BRACED = /\{([^{}]*)\}/g
/** Controls, marks that turn the direction of text or cannot be seen, line ends, and halves of characters. */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** What is wrong with a memo, as one sentence; `undefined`: nothing. */
export function memoFault(memo: string): string | undefined {
  if (encodeUtf8(memo).length > MAX_BYTES || /[\p{Cc}\p{Cs}]/u.test(memo))
    return `not an invoice description, expected one line of at most ${MAX_BYTES} bytes`
  for (const [, name = ''] of memo.matchAll(BRACED))
    if (!isName(name))
      return `unknown name in braces, expected only ${NAMES.map((one) => `{${one}}`).join(', ')}`
  return undefined
}

/** Whether a memo has names in braces, so that it is no text for people as it stands. */
export function isMemoTemplate(memo: string): boolean {
  return memo.search(BRACED) !== -1
}

/**
 * The route as it is sold to this request: with its memo filled in. Before challenges are handed out again, so that none goes
 * out with the memo of another request. The query stays out: people put secrets there.
 */
export function withMemo(request: GateRequest): RouteTerms {
  const { route } = request
  if (route.memo === undefined || !route.memo.includes('{')) return route
  // In one pass: braces that come with a value are text.
  const filled = route.memo.replace(BRACED, (braced, name: string) =>
    isName(name) ? shown(textOf(name, request)) : braced,
  )
  return { ...route, memo: within(filled) }
}

function isName(name: string): name is Name {
  return NAMES.some((one) => one === name)
}

function textOf(name: Name, { route, method, path, base, headers }: GateRequest): string {
  switch (name) {
    case 'service':
      return route.service
    case 'route':
      return route.name
    case 'method':
      // What HEAD buys is what GET buys (rule S8).
      return method === 'HEAD' ? 'GET' : method
    case 'path':
      return path
    case 'host':
      return base === undefined ? (headerValue(headers, 'host') ?? '') : base.replace(/^[^/]*\/\//, '')
  }
}

function shown(value: string): string {
  // Cut before it is looked through: a client may say very much.
  const characters = Array.from(value.slice(0, 4 * MAX_CHARACTERS).replace(UNSHOWN, ''))
  return characters.length <= MAX_CHARACTERS
    ? characters.join('')
    : `${characters.slice(0, MAX_CHARACTERS - 1).join('')}…`
}

/** Cut at a whole character. */
function within(text: string): string {
  let bytes = 0
  let end = 0
  for (const character of text) {
    bytes += encodeUtf8(character).length
    if (bytes > MAX_BYTES) return text.slice(0, end)
    end += character.length
  }
  return text
}
