import type { ExitCode } from './exit.ts'

/** What each exit code of `turnpike` means, for the manual. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: 'done, or stopped by a signal after draining',
  1: 'failed',
  64: 'wrong usage of the command line',
  69: 'a backend or store could not be reached at start',
  78: 'bad configuration; `FILE:LINE:COL` says where and what was expected',
}
