/** Chance that can be repeated. */

/** A source of chance: the same seed tells the same story. */
export interface Random {
  /** From 0 to `below`, without it. */
  below(below: number): number
  pick<T>(choices: readonly T[]): T
  /** True once in so many times. */
  oneIn(times: number): boolean
}

/** Mulberry32: 32 bits of state are enough to vary tests. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    pick<T>(choices: readonly T[]): T {
      const at = below(choices.length)
      if (choices.length === 0) throw new RangeError('nothing to pick from')
      return choices[at] as T
    },
    oneIn: (times) => below(times) === 0,
  }
}
