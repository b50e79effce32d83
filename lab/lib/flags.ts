/** What `npm run lab -- … --FLAG N` was told. */

/** A number of `lab/run.ts`, by its variable; `usual` where nothing was said. */
export function numberOf(variable: string, usual: number): number {
  const text = process.env[variable]
  if (text === undefined) return usual
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${variable}: expected a whole number from 1, got "${text}"`)
  return value
}

/** The gate's run: the longest suites do a part of what they do by themselves, and say how much. */
export const isShort: boolean = process.env['LAB_SHORT'] === '1'
