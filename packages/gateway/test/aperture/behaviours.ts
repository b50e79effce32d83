/**
 * The behaviours a replacement of Aperture is measured by, one row each. What can be asked over HTTP is asked of both: the
 * lab asks the real Aperture, so that `aperture` is known to be right.
 */

import type { Behaviour } from './behaviour.ts'
import { OTHER_BEHAVIOURS } from './other-behaviours.ts'
import { PROXY_BEHAVIOURS } from './proxy-behaviours.ts'
import { TOKEN_BEHAVIOURS } from './token-behaviours.ts'

/** All 68, in order. */
export const BEHAVIOURS: readonly Behaviour[] = [
  ...PROXY_BEHAVIOURS,
  ...TOKEN_BEHAVIOURS,
  ...OTHER_BEHAVIOURS,
]
