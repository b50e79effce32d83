/** What a command is. */

import type { FlagSpec } from '../cli/arguments.ts'
import type { ExitCode } from '../cli/exit.ts'
import type { Io } from '../cli/io.ts'

/** One `turnpike` command. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string
  /** The whole help text, examples included. */
  readonly help: string
  /** Runs with what follows the command's name. Throws `CommandError` for what goes wrong in a known way. */
  run(argv: readonly string[], io: Io): Promise<ExitCode>
}

/** The file that commands read where `-c` names none. */
export const defaultConfigFile = 'turnpike.yaml'

/** `-c FILE`. */
export const configFlag: FlagSpec = { type: 'string', short: 'c' }

/** `-h`. */
export const helpFlag: FlagSpec = { type: 'boolean', short: 'h' }
