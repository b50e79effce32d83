import { readFileSync } from 'node:fs'
import { CommandError, exitCode } from '../cli/exit.ts'
import { describeError } from '../log.ts'

const LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*$/

/** The `Name: value` lines of a file; its values are secrets. Throws {@link CommandError}, which shows none of them. */
export function readCollectorHeaders(file: string | undefined): Record<string, string> {
  if (file === undefined) return {}
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(
      exitCode.config,
      `${file}: tracing.headersFile cannot be read (${describeError(error)}), expected a readable file`,
    )
  }
  const headers: Record<string, string> = {}
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const parts = LINE.exec(line)
    if (parts === null)
      throw new CommandError(
        exitCode.config,
        `${file}:${index + 1}: not a header line, expected "Name: value"`,
      )
    headers[parts[1] ?? ''] = parts[2] ?? ''
  }
  return headers
}
