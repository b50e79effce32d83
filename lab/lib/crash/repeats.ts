/** Requests that must have one outcome however often they are sent (protocol §5 rule 10). */

import type { Attempt } from '../attempt.ts'
import type { Use } from '../budget.ts'
import type { Order } from '../recording-upstream.ts'
import { anyOf, type Client, orderFor } from './clients.ts'
import type { Life, Scene } from './scene.ts'
import type { Picked, Stock } from './stock.ts'

/** What came of all of them. */
export interface RepeatCounts {
  /** Keys whose answer came once, or was said to be lost. */
  readonly answered: number
  /** Of those: whose answer was lost with the gateway that served it. */
  readonly lost: number
  /** Keys of those whose request reached the upstream again after that. */
  readonly executedAgain: number
  /** Repeats of those that got something else than what was said before. */
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
  /** The answer was said to be lost. */
  lost: boolean
  /** What all requests under the key have drawn. */
  use: Use | undefined
  /** Whether one of them was cut off. */
  cut: boolean
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
    const nothing = { executed: undefined, lost: false, use: undefined, cut: false, busy: false }
    const made: Repeat = { picked, order, idempotencyKey: `key-${order.id}`, ...nothing }
    all.add(made)
    return made
  }

  async function run(repeat: Repeat, client: Client, life: Life): Promise<void> {
    repeat.busy = true
    try {
      const { picked, order, idempotencyKey } = repeat
      const errand = { order, idempotencyKey, keyed: repeat }
      const result = await client.send(life, picked.credential, errand)
      if (result.outcome === 'cut') {
        repeat.cut = true
        return
      }
      if (repeat.executed !== undefined) check(repeat, result)
      else if (result.outcome === 'served') repeat.executed = upstream.received(order.id)
      else if (isLost(result)) {
        repeat.executed = upstream.received(order.id)
        repeat.lost = true
        if (!repeat.cut || repeat.executed === 0)
          faults.push(`said to be lost, and ${repeat.executed === 0 ? 'never executed' : 'never cut off'}`)
      } else if (result.answer.status === 402) {
        all.delete(repeat)
        await stock.exhausted(life, picked, result.answer)
      }
    } finally {
      repeat.busy = false
    }
  }

  function check({ picked, order, lost }: Repeat, result: Attempt): void {
    if (lost ? isLost(result) : result.outcome === 'served' && result.replayed) return
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
      const lost = answered.filter((repeat) => repeat.lost)
      return { answered: answered.length, lost: lost.length, executedAgain: again.length, notReplayed }
    },
  }
}

/** Whether the gateway says that the request was executed and its answer is lost. */
function isLost(result: Attempt): boolean {
  return result.outcome === 'answered' && /"code":"idempotency_lost"/.test(result.answer.body)
}
