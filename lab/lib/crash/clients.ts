/** The clients of one lane: they buy, use, hand on and top up, and write down what became of each request. */

import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { Response } from '../../../packages/gateway/test/e2e/client.ts'
import { type Attempt, attempt } from '../attempt.ts'
import type { Use } from '../budget.ts'
import type { Order, Shape } from '../recording-upstream.ts'
import type { Credential } from '../wallet.ts'
import type { Life, Scene } from './scene.ts'

/** One client: one connection, one request at a time. */
export interface Client {
  /** Sends an order; what it may have taken is on the budgets of the credential then. */
  send(life: Life, credential: Credential, errand: Errand): Promise<Attempt>
  /** Its gateway lives on and has written down everything. */
  settle(): void
  close(): void
}

/** What a client wants to have done. */
export interface Errand {
  readonly order: Order
  readonly idempotencyKey?: string
  /** What all requests under the key have drawn so far: they are charged once at most, whatever becomes of each. */
  readonly keyed?: { use: Use | undefined }
}

let orders = 0

/** A new order; `id` is nobody else's. */
export function orderFor({ ware }: Credential, shape: Shape = anyShape()): Order {
  const id = `r${++orders}`
  const length = 30 + Math.floor(Math.random() * 400)
  // Of the ware that is sold by bytes, a fifth of the answers costs more than was reserved for it.
  const expensive = ware.route === 'bytes' && Math.random() < 0.2
  const bytes = shape === 'long' ? 80_000 : expensive ? 2_000 + length : length
  return { id, shape, bytes, units: 1 + Math.floor(Math.random() * 50) }
}

function anyShape(): Shape {
  const dice = Math.random()
  if (dice < 0.35) return 'whole'
  if (dice < 0.5) return 'late'
  if (dice < 0.9) return 'pieces'
  return dice < 0.95 ? 'long' : 'failed'
}

/** A client of a scene. */
export function createClient(scene: Scene): Client {
  const { counts, faults, upstream } = scene
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  let last: { readonly use: Use; readonly life: Life } | undefined

  type Outcome = Omit<Use, 'costMsat' | 'estimateMsat' | 'settled'>
  function note(credential: Credential, { order, keyed }: Errand, outcome: Outcome): Use {
    const { ware, budgets } = credential
    const before = keyed?.use
    if (before !== undefined) {
      for (const what of ['whole', 'seen', 'answered'] as const) before[what] ||= outcome[what]
      return before
    }
    const use: Use = {
      settled: false,
      ...outcome,
      costMsat: ware.costMsat(order),
      estimateMsat: ware.estimateMsat,
    }
    for (const { uses } of budgets) uses.push(use)
    if (keyed !== undefined) keyed.use = use
    return use
  }

  return {
    async send(life, credential, errand) {
      const { order, idempotencyKey } = errand
      const { ware, authorization } = credential
      const before = upstream.answered(order.id)
      const target = { route: ware.route, order }
      const result = await attempt(life.program.url, target, { authorization, agent, idempotencyKey })
      counts.requests++
      if (result.outcome === 'cut') {
        const answered = upstream.answered(order.id) > before
        counts.cut++
        if (answered) counts.answered++
        if (result.seen) counts.seen++
        if (!life.dead) faults.push(`cut off although the gateway lived: ${ware.route}, ${order.shape}`)
        note(credential, errand, { whole: false, seen: result.seen, answered })
        return result
      }
      // The books do one thing after the other: what was before an answer has been written down before it.
      if (last?.life === life) last.use.settled = true
      last = undefined
      if (result.outcome === 'answered') {
        if (result.answer.status === 402) counts.refused++
        const fault = unexpected(result.answer, order)
        if (fault !== undefined) faults.push(`${ware.route}, ${order.shape}: ${fault}`)
      } else if (result.replayed) counts.replayed++
      else {
        counts.served++
        last = { life, use: note(credential, errand, { whole: true, seen: true, answered: true }) }
        scene.moment('served')
      }
      return result
    },
    settle() {
      if (last?.life.dead === false) last.use.settled = true
    },
    close: () => agent.destroy(),
  }
}

/** What a living gateway in front of a living upstream may not say. */
function unexpected({ status, body }: Response, { shape }: Order): string | undefined {
  if (status === 500 && shape === 'failed' && body === 'failed') return undefined
  if (status === 402) return /"code":"exhausted"/.test(body) ? undefined : `402 ${body.slice(0, 300)}`
  // Whether an answer was lost, those know who repeat it.
  if (status === 409 && /"code":"idempotency_(running|lost)"/.test(body)) return undefined
  return `${status} ${body.slice(0, 300)}`
}

/** Takes one of a list. */
export function anyOf<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(Math.random() * list.length)]
}

/** Waits for what another client does. */
export const awhile = (): Promise<void> => pause(10)
