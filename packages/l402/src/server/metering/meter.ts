/** Measures the cost of one answer as it goes by. */

import type { HeaderLines } from '../../core/header-lines.ts'

/** Told of everything that a {@link Charge} may count. */
export interface Meter {
  /** So many more bytes of the request's body went to the resource. */
  request(bytes: number): void
  /** The answer begins. Name, value, … */
  head(status: number, headers: HeaderLines): void
  /**
   * A piece of the answer's body, as it came. Not kept beyond this call unless copied. `ofAnswer`: how many of its bytes are
   * the resource's, where the others were put to them; all if left out.
   */
  body(chunk: Uint8Array, ofAnswer?: number): void
  /** Time has passed without a byte, on a connection that has no end of its own. Left out where time costs nothing. */
  elapse?(): void
  /** What is certain to be charged by now, in msat; never shrinks. */
  readonly soFarMsat: bigint
  /**
   * What the answer has cost, in msat, once it has ended. `complete`: it ended whole; else the client left or it broke off,
   * and what was measured counts where bytes flowed and it could be measured, else the estimate (protocol §5 rule 4).
   */
  end(complete: boolean): bigint
}
