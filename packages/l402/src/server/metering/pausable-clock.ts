/** A clock that can be stopped: what waits for its client to pay costs no time. */

/** See {@link pausableClock}. */
export interface PausableClock {
  /** Milliseconds of no particular beginning. */
  now(): number
  /** Stands still from now on. */
  pause(): void
  /** Goes on. */
  resume(): void
}

/** Makes a clock that goes. `source` in milliseconds, of a clock that is never set. */
export function pausableClock(source: () => number = () => performance.now()): PausableClock {
  let lost = 0
  let pausedAt: number | undefined
  return {
    now: () => (pausedAt ?? source()) - lost,
    pause() {
      pausedAt ??= source()
    },
    resume() {
      if (pausedAt !== undefined) lost += source() - pausedAt
      pausedAt = undefined
    },
  }
}
