/** Many clients that use one credential at several gateways at once. */

import { Agent } from 'node:http'
import { attempt } from './attempt.ts'
import type { RecordingUpstream } from './recording-upstream.ts'
import type { Credential } from './wallet.ts'

/** What became of their requests. */
export interface Tally {
  served: number
  /** The connection broke before all of the answer had come. */
  cut: number
  /** Of those: some of the answer had come. */
  seen: number
  /** Of those: the upstream had answered. */
  answered: number
  /** How often each other status came. */
  readonly others: Map<number, number>
  /** Those that were served, by gateway. */
  readonly servedBy: Map<string, number>
}

/** How they go about it. */
export interface HammerOptions {
  readonly upstream: RecordingUpstream
  /** Clients of each gateway. */
  readonly clients: number
  /** Requests of each client; without end if left out. One that is answered with anything but 200 stops where there is none. */
  readonly requests?: number
  /** Told of each that was served. */
  readonly onServed?: (tally: Tally) => void
}

let orders = 0

/** Lets them go until all have stopped: refused, cut off, or done. */
export async function hammer(
  gateways: readonly string[],
  credential: Credential,
  options: HammerOptions,
): Promise<Tally> {
  const { upstream, clients, requests = Number.POSITIVE_INFINITY, onServed = () => {} } = options
  const { authorization, ware } = credential
  const tally: Tally = { served: 0, cut: 0, seen: 0, answered: 0, others: new Map(), servedBy: new Map() }
  const add = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

  async function client(gateway: string): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < requests; i++) {
      const order = { id: `h${++orders}`, shape: 'whole', bytes: 40, units: 1 } as const
      const result = await attempt(gateway, { route: ware.route, order }, { authorization, agent })
      if (result.outcome === 'served') {
        tally.served++
        add(tally.servedBy, gateway)
        onServed(tally)
      } else if (result.outcome === 'cut') {
        tally.cut++
        if (result.seen) tally.seen++
        if (upstream.answered(order.id) > 0) tally.answered++
        break
      } else {
        add(tally.others, result.answer.status)
        if (options.requests === undefined) break
      }
    }
    agent.destroy()
  }
  await Promise.all(gateways.flatMap((gateway) => Array.from({ length: clients }, () => client(gateway))))
  return tally
}
