/** Listens to the node for what has been paid, from where it stopped last, where the backend can tell. */

import { encodeHex } from '@turnpike/l402'
import type { InvoiceBackend, Settlement } from '@turnpike/l402/lightning'
import type { Journal } from '@turnpike/l402/server'
import type { Logger } from 'pino'
import { describeError } from '../log.ts'

const RETRY_MS = [500, 2_000, 10_000, 30_000]
/** An attempt that lasted so long was a good one. */
const STEADY_MS = 60_000
/** How often the place to go on from is written down at most: after a crash the same is told again, which does no harm. */
const KEEP_MS = 500
/** Most settlements that are written down at the same time. */
const BEHIND_MAX = 500
/** What a node may make of its cursor. */
const CURSOR_MAX = 4_096

/** What a follower works with. */
export interface FollowOptions {
  readonly source: Pick<InvoiceBackend, 'settlements'>
  /** Names the node in the journal. */
  readonly node: string
  readonly journal: Pick<Journal, 'nodeCursor' | 'keepNodeCursor'>
  /** Resolves once it is durable; what throws is told again. */
  readonly onSettled: (paymentHash: string, amountMsat: bigint) => Promise<void>
  /** There is no place to go on from: what was paid before now has to be found in another way. */
  readonly onStartingAnew: () => void
  readonly log: Pick<Logger, 'warn'>
}

/**
 * Calls back for each settlement; after a restart for those, too, that came meanwhile. The cursor is kept only when all
 * before it is durable, so none is lost. A node's history before the cursor is never read.
 */
export function followSettlements(options: FollowOptions): { close(): Promise<void> } {
  const { source, node, journal, onSettled, log } = options
  const controller = new AbortController()
  const { signal } = controller
  let after: string | undefined
  let kept: string | undefined
  let timer: NodeJS.Timeout | undefined

  async function keep(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const cursor = after
    if (cursor === undefined || cursor === kept) return
    try {
      await journal.keepNodeCursor(node, cursor)
      kept = cursor
    } catch (error) {
      if (!signal.aborted) keepLater()
      log.warn({ fault: describeError(error) }, 'where to go on listening to the node was not written down')
    }
  }

  function keepLater(): void {
    timer ??= setTimeout(() => void keep(), KEEP_MS).unref()
  }

  /** Until the stream ends, or one of its settlements cannot be written down. */
  async function attempt(): Promise<void> {
    const broken = new AbortController()
    let fault: unknown
    const behind: { readonly cursor: string; readonly done: Promise<void> }[] = []
    let moved: Promise<void> = Promise.resolve()
    let moving = false
    const move = async (): Promise<void> => {
      moving = true
      try {
        for (let first = behind[0]; first !== undefined; first = behind[0]) {
          await first.done
          behind.shift()
          if (first.cursor.length <= CURSOR_MAX) after = first.cursor
          keepLater()
        }
      } catch (error) {
        fault = error
        broken.abort()
      } finally {
        moving = false
      }
    }
    const from = {
      ...(after === undefined ? {} : { after }),
      signal: AbortSignal.any([signal, broken.signal]),
    }
    try {
      for await (const settlement of source.settlements?.(from) ?? []) {
        behind.push({ cursor: settlement.cursor, done: told(settlement) })
        if (!moving) moved = move()
        if (behind.length >= BEHIND_MAX) await moved
      }
    } finally {
      await moved
    }
    if (fault !== undefined) throw fault
  }

  function told({ paymentHash, amountMsat }: Settlement): Promise<void> {
    const done = onSettled(encodeHex(paymentHash), amountMsat)
    // Looked at when its turn comes.
    done.catch(() => {})
    return done
  }

  async function begin(): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        after = await journal.nodeCursor(node)
        kept = after
        if (after === undefined) options.onStartingAnew()
        return
      } catch {
        // The store is away: others say so.
        await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0, signal)
      }
    }
  }

  async function listen(): Promise<void> {
    await begin()
    for (let failures = 0; !signal.aborted; failures++) {
      const startedAt = performance.now()
      try {
        await attempt()
      } catch (error) {
        if (signal.aborted) break
        if (performance.now() - startedAt > STEADY_MS) failures = 0
        if (failures === 0)
          log.warn({ fault: describeError(error) }, 'the node does not tell of settlements right now')
        // A cursor that this backend cannot have made.
        if (error instanceof RangeError && after !== undefined) {
          after = undefined
          options.onStartingAnew()
        }
      }
      if (!signal.aborted) await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0, signal)
    }
  }

  const listening = listen()
  return {
    async close() {
      controller.abort()
      await listening
      await keep()
    },
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms).unref()
    const end = (): void => {
      clearTimeout(timer)
      resolve()
    }
    if (signal.aborted) end()
    signal.addEventListener('abort', end, { once: true })
  })
}
