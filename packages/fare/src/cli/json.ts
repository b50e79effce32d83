/** One JSON object as a line. Millisatoshi are decimal strings, as they can be larger than a double holds exactly. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? each.toString() : each))}\n`
}
