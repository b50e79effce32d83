/** What the client waits for until it has the last byte; books that are down go on trying by themselves. */
const WAIT_MS = 1_000

/** Goes on when the books are told, or have not been for long. */
export function onceTold(told: Promise<void>, then: () => void): void {
  let timer: NodeJS.Timeout | undefined
  let gone = false
  const go = (): void => {
    if (gone) return
    gone = true
    clearTimeout(timer)
    then()
  }
  void told.then(go, go)
  // Books in memory have it by now.
  setImmediate(() => {
    if (!gone) timer = setTimeout(go, WAIT_MS)
  })
}
