/** Pieces of YAML text that is read with variables filled in. */

/** A text in quotes. `variables`: `${NAME}` in it stays one. */
export function quoted(text: string, { variables = false }: { readonly variables?: boolean } = {}): string {
  return JSON.stringify(variables ? text : text.replaceAll('${', () => '$${'))
}

/** A plain word where that is safe, else in quotes. */
export function word(text: string): string {
  return /^[A-Za-z][A-Za-z0-9_-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : quoted(text)
}

/** `{ a: 1, b: 2 }` of those that are there. */
export function flow(entries: readonly (readonly [key: string, value: string | undefined])[]): string {
  const there = entries.flatMap(([key, value]) => (value === undefined ? [] : `${word(key)}: ${value}`))
  return `{ ${there.join(', ')} }`
}

/** Comment lines of at most some 110 characters. */
export function comment(text: string, indent = ''): string[] {
  const lines: string[] = []
  let line = ''
  for (const part of text.replace(/\s+/g, ' ').split(' ')) {
    if (line !== '' && line.length + part.length > 108) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? part : ` ${part}`
  }
  return [...lines, line].map((each) => `${indent}# ${each}`)
}
