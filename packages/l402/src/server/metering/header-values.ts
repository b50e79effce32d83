import type { HeaderLines } from '../../core/header-lines.ts'

/** The values of all lines of this name, without the blanks around them. */
export function headerValues(headers: HeaderLines, lowerName: string): readonly string[] {
  const values: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2)
    if (headers[i]?.toLowerCase() === lowerName) values.push((headers[i + 1] as string).trim())
  return values
}
