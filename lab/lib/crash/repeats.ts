/** Requests that must have one outcome however often they are sent (protocol §5 rule 10). */

import type { Attempt } from '../attempt.ts'
import type { Order } from '../recording-upstream.ts'
import { anyOf, type Client, orderFor } from './clients.ts'
import type { Life, Scene } from './scene.ts'
import type { Picked, Stock } from './stock.ts'

/** What came of all of them. */
export interface RepeatCounts {
  /** Keys whose answer came once. */
  readonly answered: number
  /** Keys of those whose request reached the upstream again after that. */
  readonly executedAgain: number
  /** Repeats of those that got something else than the kept answer. */
  readonly notReplayed: number
}

/** The repeated requests of one lane. */
export interface Repeats {
  /** Sends one: a new one, one that has no answer yet, or one that has. */
  send(client: Client, life: Life): Promise<void>
  /** Repeats all that were answered. */
  repeatAll(client: Client, life: Life): Promise<void>
  counts(): RepeatCounts
}

interface Repeat {
  readonly picked: Picked
  readonly order: Order
  readonly idempotencyKey: string
  /** How many requests had reached the upstream when the answer came. */
  executed: number | undefined
  busy: boolean
}

const SHAPES = ['whole', 'late', 'pieces', 'long'] as const

/** Of one scene, whose stock pays for them. */
export function createRepeats({ upstream, wares, faults }: Scene, stock: Stock): Repeats {
  const all = new Set<Repeat>()
  let notReplayed = 0

  function choose(): Repeat | undefined {
    const free = [...all].filter(({ busy }) => !busy)
    const again = anyOf(free.filter(({ executed }) => (executed === undefined) === Math.random() < 0.7))
    if (again !== undefined && Math.random() < 0.6) return again
    const picked = stock.pick(anyOf(wares.filter(({ route }) => route !== 'one')))
    if (picked === undefined) return undefined
    const order = orderFor(picked.credential, anyOf(SHAPES))
    const made = { picked, order, idempotencyKey: `key-${order.id}`, executed: undefined, busy: false }
    all.add(made)
    return made
  }

  async function run(repeat: Repeat, client: Client, life: Life): Promise<void> {
    repeat.busy = true
    try {
      const { picked, order, idempotencyKey } = repeat
      const result = await client.send(life, picked.credential, { order, idempotencyKey })
      if (result.outcome === 'cut') return
      if (repeat.executed !== undefined) check(repeat, result)
      else if (result.outcome === 'served') repeat.executed = upstream.received(order.id)
      else if (result.answer.status === 402) {
        all.delete(repeat)
        await stock.exhausted(life, picked, result.answer)
      }
    } finally {
      repeat.busy = false
    }
  }

  function check({ picked, order }: Repeat, result: Attempt): void {
    if (result.outcome === 'served' && result.replayed) return
    notReplayed++
    const what = result.outcome === 'answered' ? `answered ${result.answer.status}` : 'executed'
    faults.push(`repeated after its answer, ${what}: ${picked.credential.ware.route}, ${order.shape}`)
  }

  return {
    async send(client, life) {
      const repeat = choose()
      if (repeat !== undefined) await run(repeat, client, life)
    },
    async repeatAll(client, life) {
      for (const repeat of all) if (repeat.executed !== undefined) await run(repeat, client, life)
    },
    counts() {
      const answered = [...all].filter(({ executed }) => executed !== undefined)
      const again = answered.filter(({ order, executed }) => upstream.received(order.id) !== executed)
      return { answered: answered.length, executedAgain: again.length, notReplayed }
    },
  }
}
