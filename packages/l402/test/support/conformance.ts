import { type ConformanceCase, lightningCases, type MakeLightning } from '@turnpike/l402/lightning/testing'
import { describe, it } from 'vitest'

/** Runs the kit. A case that does not apply is named as skipped, with its reason. */
export function describeConformance(name: string, make: MakeLightning): void {
  describe(name, () => {
    for (const one of lightningCases(make)) it(one.name, (context) => runCase(one, context.skip))
  })
}

async function runCase(one: ConformanceCase, skip: (reason: string) => void): Promise<void> {
  const reason = await one.run()
  if (reason !== undefined) skip(reason)
}
