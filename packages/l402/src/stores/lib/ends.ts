/** How long rows are kept after the end of every credential that can name them, in case a clock is set back. */
export const END_GRACE_MS: number = 24 * 3_600_000

/** The later of two ends; `null` is never. */
export function laterEnd(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b)
}
