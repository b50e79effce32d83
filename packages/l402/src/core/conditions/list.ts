/** Items between commas, each one as the grammar wants it; `undefined` where one is not, or without any. */
export function parseList(value: string, isItem: (item: string) => boolean): readonly string[] | undefined {
  const items = value.split(',')
  return items.every((item) => item !== '' && isItem(item)) ? items : undefined
}

/**
 * Most items of a list whose narrowing is decided pair by pair: whoever holds one credential can append longer and
 * longer lists, and reading them must stay cheap (rule V6).
 */
export const MAX_PAIRED_ITEMS = 64

/** {@link parseList} of at most {@link MAX_PAIRED_ITEMS} items, each one compiled. */
export function compileList<Item>(
  value: string,
  compile: (item: string) => Item | undefined,
): readonly Item[] | undefined {
  const texts = value.split(',', MAX_PAIRED_ITEMS + 1)
  if (texts.length > MAX_PAIRED_ITEMS) return undefined
  const items: Item[] = []
  for (const text of texts) {
    const item = compile(text)
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}

/** Whether every item of `part` is in `whole`. */
export function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  for (const item of part) if (!whole.has(item)) return false
  return true
}
