/** Files that a configuration names and that are opened at start only: a machine that checks it need not have them. */

import { accessSync, constants, statSync } from 'node:fs'
import type { ConfigIssue, Position } from './issue.ts'

/** One of them. */
export interface NamedFile {
  /** As in `lightning.macaroonFile`. */
  readonly key: string
  /** Absolute. */
  readonly file: string
  readonly position: Position
}

/** Those that could not be used right now, in the order of the file. Opens none: a pipe gives its content only once. */
export function unusableFiles(files: readonly NamedFile[]): readonly ConfigIssue[] {
  return files.flatMap(({ key, file, position }) => {
    const fault = faultOf(file)
    if (fault === undefined) return []
    return [{ position, message: `${key}: ${file}: ${fault}, expected a file that can be read` }]
  })
}

function faultOf(file: string): string | undefined {
  try {
    const facts = statSync(file)
    if (facts.isDirectory()) return 'it is a folder'
    if (facts.isFile() && facts.size === 0) return 'it is empty'
    accessSync(file, constants.R_OK)
    return undefined
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    return code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
  }
}
