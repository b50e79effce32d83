/** A request on its way through the gate. */

import type { GateRequest, Refused } from './gate.ts'
import type { CachedCredential, Standing, Verdict } from './verdict-cache.ts'

/** The credential of a visit that is being admitted. */
export interface Admitting {
  readonly cached: CachedCredential
  readonly standing: Standing
  /** Its number in the verdict. */
  readonly index: number
  /** Takes the request out of the rates again. */
  readonly undo: (() => void) | undefined
  /** See {@link Denial}: of those tried before. */
  readonly later: Refused | undefined
}

/** A request with credentials on its way through the gate. */
export interface Visit {
  readonly request: GateRequest
  readonly verdict: Verdict
  readonly idempotencyKey: string | undefined
}
