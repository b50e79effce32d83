/** Lets the program end while the timer runs. A number in browsers and Workers, which have nothing to keep alive. */
export function unref(timer: unknown): void {
  if (typeof timer !== 'object' || timer === null || !('unref' in timer)) return
  if (typeof timer.unref === 'function') timer.unref()
}
