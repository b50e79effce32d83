import type { FirstOrders, Orders, WorkerCalls } from './calls.ts'
import type { Peer } from './rpc.ts'

/** A worker, as far as orders go. */
export type Ordered = Pick<Peer<WorkerCalls>, 'call'>

/** How long a worker may take to build what it is told. */
const BUILD_MS = 60_000

/**
 * What all workers are to do. Those that serve change together; one that begins while they change is brought up to date before
 * it counts as serving, so that none goes on under older orders.
 */
export class StandingOrders {
  readonly #serving = new Set<Ordered>()
  readonly #unfit: (worker: Ordered) => void
  #orders: FirstOrders
  #turn: Promise<unknown> = Promise.resolve()

  /** `unfit` is told of a worker that serves and cannot take orders that all others have taken: it must end. */
  constructor(first: FirstOrders, unfit: (worker: Ordered) => void) {
    this.#orders = first
    this.#unfit = unfit
  }

  /** Whether a worker serves. */
  serves(worker: Ordered): boolean {
    return this.#serving.has(worker)
  }

  /** How many serve. */
  get serving(): number {
    return this.#serving.size
  }

  /** Lets a worker begin; answers the URLs it serves. Throws what it threw: then it does not serve. */
  async begin(worker: Ordered): Promise<readonly string[]> {
    let given = this.#orders
    const listen = await worker.call('start', given, BUILD_MS)
    while (given !== this.#orders) {
      given = this.#orders
      await bringUpToDate(worker, given)
    }
    this.#serving.add(worker)
    return listen
  }

  /** It has ended. */
  leave(worker: Ordered): void {
    this.#serving.delete(worker)
  }

  /**
   * Has every worker build what `next` comes to; what is answered puts it in force in all of them. Throws, and none changes,
   * when one cannot.
   */
  prepare(next: Orders): Promise<() => Promise<void>> {
    const turn = this.#turn.then(async () => {
      const prepared = [...this.#serving]
      await Promise.all(prepared.map((worker) => worker.call('prepare', next, BUILD_MS)))
      return async () => {
        this.#orders = { ...this.#orders, ...next }
        // They began to serve, under the old orders, while the others prepared.
        const late = [...this.#serving].filter((worker) => !prepared.includes(worker))
        await Promise.allSettled([
          // Who does not answer is gone; the worker in its place begins with these orders.
          ...prepared.map((worker) => worker.call('commit', undefined)),
          ...late.map((worker) => bringUpToDate(worker, next).catch(() => this.#unfit(worker))),
        ])
      }
    })
    this.#turn = turn.catch(() => {})
    return turn
  }
}

async function bringUpToDate(worker: Ordered, orders: Orders): Promise<void> {
  await worker.call('prepare', orders, BUILD_MS)
  await worker.call('commit', undefined)
}
