/** What a terminal could take for a command, and what turns text around: legal in JSON, and better written as `\u…`. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** One JSON object as a line. Millisatoshi are decimal strings, as they can be larger than a double holds exactly. */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'bigint' ? each.toString() : each,
  )
  return `${text.replaceAll(UNSEEN, escaped)}\n`
}

function escaped(character: string): string {
  return [...Array(character.length).keys()]
    .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
    .join('')
}
