/** The calls of one process: what they have spent together, and waiting for their payments to end. */

/** What all calls share. */
export interface Calls {
  /** Msat that calls of this process have spent or hold. */
  readonly spentMsat: bigint
  spend(msat: bigint): void
  /** Runs a call; one after the other where they share a limit, so that two cannot both see the last satoshi. */
  run<T>(task: () => Promise<T>): Promise<T>
  /** Waits until no call is under way: a cancelled one may still be paying (rule C3). */
  idle(): Promise<void>
}

/** Makes the record. `oneByOne` where there is a limit over all calls. */
export function calls({ oneByOne }: { readonly oneByOne: boolean }): Calls {
  const running = new Set<Promise<unknown>>()
  let last: Promise<unknown> = Promise.resolve()
  let spentMsat = 0n
  return {
    get spentMsat() {
      return spentMsat
    },
    spend(msat) {
      spentMsat += msat
    },
    run(task) {
      const call = oneByOne ? last.then(task) : Promise.resolve().then(task)
      const ended = call.catch(() => {}).finally(() => running.delete(ended))
      last = ended
      running.add(ended)
      return call
    },
    async idle() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
