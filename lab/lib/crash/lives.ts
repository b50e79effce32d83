/** Gateways that are started on one store and killed, again and again. */

import { run, serve } from '../../../packages/gateway/test/e2e/program.ts'
import type { Life, Moment } from './scene.ts'

/** When a gateway is killed. */
export interface Plan {
  /** At a point in the life of a request, at no point in particular, or before it serves. */
  readonly at: Moment | 'any' | 'starting'
  /** At which of those points; from 1. */
  readonly nth: number
  /** How long after it; 0 is at the very moment. */
  readonly delayMs: number
}

/** Gateways one after the other. */
export interface Lives {
  /** The one that serves, as soon as one does; `undefined` after {@link end}. */
  current(): Promise<Life | undefined>
  moment(moment: Moment): void
  /** Starts one; clients do not hear of it yet. */
  start(): Promise<Life>
  /** Lets clients have it until it is killed. */
  untilKilled(life: Life, plan: Plan): Promise<void>
  /** Starts one and kills it, mostly before it serves. */
  killStarting(afterMs: number): Promise<void>
  /** There will be no more. */
  end(): void
}

/** How long a kill waits for its moment at most: there may be none. */
const PATIENCE_MS = 1_500

/** How kill number `n` is to happen: each kind comes as often, at random moments. */
export function planOf(n: number): Plan {
  const nth = 1 + Math.floor(Math.random() * 80)
  const few = 1 + Math.floor(Math.random() * 40)
  const soon = Math.random() * 25
  const plans: readonly Plan[] = [
    { at: 'any', nth, delayMs: Math.random() * 400 },
    { at: 'received', nth, delayMs: 0 },
    { at: 'begun', nth: few, delayMs: soon },
    { at: 'ended', nth, delayMs: 0 },
    { at: 'served', nth, delayMs: 0 },
    { at: 'received', nth, delayMs: soon },
    { at: 'any', nth, delayMs: Math.random() * 100 },
    { at: 'begun', nth: few, delayMs: 0 },
    { at: 'ended', nth, delayMs: soon / 4 },
    { at: 'starting', nth, delayMs: 50 + Math.random() * 600 },
  ]
  return plans[n % plans.length] as Plan
}

/** Nothing lives yet. `connected` is told just before a gateway dies, and when the next one serves. */
export function createLives(folder: string, connected: (alive: boolean) => void): Lives {
  let next = Promise.withResolvers<Life | undefined>()
  let armed: { readonly at: Moment; left: number; readonly fire: () => void } | undefined
  return {
    current: () => next.promise,
    moment(moment) {
      if (armed?.at !== moment || --armed.left > 0) return
      const { fire } = armed
      armed = undefined
      fire()
    },
    async start() {
      return { program: await serve(folder), dead: false }
    },
    async untilKilled(life, { at, nth, delayMs }) {
      const killed = Promise.withResolvers<void>()
      const kill = (): void => {
        if (life.dead) return
        life.dead = true
        armed = undefined
        next = Promise.withResolvers()
        connected(false)
        void life.program.kill()
        killed.resolve()
      }
      const fire = (): void => {
        if (delayMs === 0) kill()
        else setTimeout(kill, delayMs)
      }
      if (at === 'any' || at === 'starting') fire()
      else armed = { at, left: nth, fire }
      const enough = setTimeout(kill, PATIENCE_MS)
      connected(true)
      next.resolve(life)
      await killed.promise
      clearTimeout(enough)
      await life.program.ended
    },
    async killStarting(afterMs) {
      const wrap = (command: readonly string[]): readonly string[] => [
        ...['timeout', '--signal=KILL', String(afterMs / 1000)],
        ...command,
      ]
      await run(folder, ['serve'], { wrap })
    },
    end: () => next.resolve(undefined),
  }
}
