/** How the program ends. The numbers are part of the surface (sysexits.h names). */

/** Exit codes of every command. */
export const exitCode = {
  /** Done, or stopped by a signal after draining. */
  ok: 0,
  /** It did not work. */
  failed: 1,
  /** Wrong usage of the command line. */
  usage: 64,
  /** A backend or store could not be reached at start. */
  unavailable: 69,
  /** Bad configuration. */
  config: 78,
} as const

/** One of {@link exitCode}. */
export type ExitCode = (typeof exitCode)[keyof typeof exitCode]

/** Ends a command: the lines go to standard error as they are. Never holds a secret. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(code: ExitCode, message: string) {
    super(message)
    this.exitCode = code
  }
}
