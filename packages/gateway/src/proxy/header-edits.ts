/** Header lines that an operator sets and removes. */

/** What becomes of header lines. */
export interface HeaderEdits {
  /** Name, value, …: put after those that came. */
  readonly lines: readonly string[]
  /** Names in lower case with `-` for `_`: of what came, none of these goes on. Holds the names of `lines` too. */
  readonly dropped: ReadonlySet<string>
}

/** The edits of a configuration; `undefined` where there are none. */
export function headerEdits(
  set: readonly (readonly [name: string, value: string])[],
  remove: readonly string[],
): HeaderEdits | undefined {
  if (set.length === 0 && remove.length === 0) return undefined
  return { lines: set.flat(), dropped: new Set([...set.map(([name]) => name), ...remove].map(foldName)) }
}

/** A field name as the most generous reader sees it: CGI takes `X_Key` for `X-Key`. */
export function foldName(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}

/** Changes `lines` (name, value, …) in place. */
export function editLines(lines: string[], { lines: added, dropped }: HeaderEdits): void {
  let kept = 0
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] ?? ''
    if (dropped.has(foldName(name))) continue
    lines[kept] = name
    lines[kept + 1] = lines[i + 1] ?? ''
    kept += 2
  }
  lines.length = kept
  for (const text of added) lines.push(text)
}
