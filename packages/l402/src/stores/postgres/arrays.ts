/** Arrays as the server reads and writes them: text. */

/** Items, each written already; `NULL` is null. */
export const array = (items: readonly unknown[]): string => `{${items.join(',')}}`

/** The same, or nothing at all where every item is null. */
export const arrayOrNull = (items: readonly unknown[]): string | null =>
  items.every((item) => item === NULL) ? null : array(items)

/** Bytes (hex) in an array. */
export const bytea = (hex: string): string => `"\\\\x${hex}"`

/** A text in an array. The server has no U+0000. */
export const quoted = (text: string): string =>
  `"${text.replaceAll('\0', '\ufffd').replaceAll(/["\\]/g, (character) => `\\${character}`)}"`

/** Null in an array. */
export const NULL = 'NULL'

/** The items of an array of numbers or truth values; none of null. */
export const items = (text: string | null | undefined): readonly string[] =>
  text === null || text === undefined || text === '{}' ? [] : text.slice(1, -1).split(',')
