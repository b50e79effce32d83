import type { Part } from './part.ts'

/** So much for each request. */
export function fixedPart(msat: bigint): Part {
  return { cost: () => msat }
}
