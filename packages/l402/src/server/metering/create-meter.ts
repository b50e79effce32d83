import type { Charge } from './charge.ts'
import type { Meter } from './meter.ts'

/** Measures what an answer costs. */
export function createMeter(charge: Charge, _options: { readonly now: () => number }): Meter {
  return {
    request() {},
    head() {},
    body() {},
    soFarMsat: charge.fixedMsat,
    end: () => (charge.fixedMsat > 0n ? charge.fixedMsat : charge.estimateMsat),
  }
}
