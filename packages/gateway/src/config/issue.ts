/** What is wrong in a configuration file, and where. */

import { CommandError, exitCode } from '../cli/exit.ts'

/** One-based, as editors count. */
export interface Position {
  readonly line: number
  readonly column: number
  /** Where it is another file than the configuration itself, e.g. its overlay. */
  readonly file?: string
}

/** One thing that is wrong: `message` says what, and what was expected. Never holds a value from the environment. */
export interface ConfigIssue {
  readonly position: Position
  readonly message: string
}

/** A file with faults; all of them, in the order of the file. Exit code 78. */
export class ConfigError extends CommandError {
  readonly issues: readonly ConfigIssue[]

  constructor(file: string, issues: readonly ConfigIssue[]) {
    const sorted = [...issues].sort(
      (a, b) => a.position.line - b.position.line || a.position.column - b.position.column,
    )
    // One value can break several rules of one kind; saying it once is enough.
    super(exitCode.config, [...new Set(sorted.map((issue) => formatIssue(file, issue)))].join('\n'))
    this.issues = sorted
  }
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** `FILE:LINE:COL: what is wrong, what was expected`. */
export function formatIssue(file: string, { position, message }: ConfigIssue): string {
  // A key of the file may hold anything; one fault is one line.
  const shown = message.replaceAll(/\p{Cc}/gu, escaped)
  return `${position.file ?? file}:${position.line}:${position.column}: ${shown}`
}
