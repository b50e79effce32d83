/** What becomes of the uses that admitted requests hold. */

import { randomBytes } from 'node:crypto'
import type { Entitlement } from '@turnpike/l402/server'

/** Uses whose outcome a proxy is to tell. */
export interface Outcomes {
  /** Keeps a use that has been served until it is settled; the id is for the proxy. Untold, it counts. */
  hold(entitlement: Entitlement): string
  /** The request under this id was served, or was not. False: no such id, or settled already. */
  settle(id: string, served: boolean): Promise<boolean>
  /** Counts all that are held. */
  close(): Promise<void>
}

/** How long a proxy may take to tell. */
const TELL_WITHIN_MS = 120_000

/** Kept in this process: a use that is held when it dies counts, as every use that was served. */
export function createOutcomes(withinMs: number = TELL_WITHIN_MS): Outcomes {
  const held = new Map<string, { readonly entitlement: Entitlement; readonly timer: NodeJS.Timeout }>()

  async function settle(id: string, served: boolean): Promise<boolean> {
    const found = held.get(id)
    if (found === undefined) return false
    held.delete(id)
    clearTimeout(found.timer)
    await (served ? found.entitlement.commit() : found.entitlement.release())
    return true
  }

  return {
    settle,
    hold(entitlement) {
      const id = randomBytes(18).toString('base64url')
      const timer = setTimeout(() => void settle(id, true), withinMs)
      timer.unref()
      held.set(id, { entitlement, timer })
      return id
    },
    async close() {
      await Promise.all([...held.keys()].map((id) => settle(id, true)))
    },
  }
}

/** Whether a status says that the resource was served: 5xx, or none at all, is not charged (protocol §5 rule 4). */
export function wasServed(status: string): boolean {
  // nginx names all the upstreams it tried; the last one counts.
  const last = Number(/([0-9]{3})[^0-9]*$/.exec(status)?.[1] ?? 0)
  return last >= 100 && last < 500
}
