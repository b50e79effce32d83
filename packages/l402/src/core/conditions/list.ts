/** Items between commas, each one as the grammar wants it; `undefined` where one is not, or without any. */
export function parseList(value: string, isItem: (item: string) => boolean): readonly string[] | undefined {
  const items = value.split(',')
  return items.every((item) => item !== '' && isItem(item)) ? items : undefined
}

/** Whether every item of `part` is in `whole`. */
export function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  for (const item of part) if (!whole.has(item)) return false
  return true
}
