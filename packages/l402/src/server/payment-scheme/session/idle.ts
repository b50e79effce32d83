/** The watch over sessions: those that nobody uses are closed, and refunds whose end is not known are looked up again. */

import { encodeHex } from '../../../core/bytes.ts'
import type { Ledger } from '../../../stores/ledger.ts'
import { countersOf } from './balance.ts'
import type { SessionState } from './desk.ts'
import { openKey } from './keys.ts'
import type { SessionRecord } from './record.ts'
import type { Closing } from './refund.ts'
import type { Roll } from './roll.ts'

/** What the watch works with. */
export interface IdleWatchOptions {
  readonly ledger: Pick<Ledger, 'read'>
  readonly roll: Roll
  readonly find: (sessionId: Uint8Array) => Promise<SessionState>
  readonly close: (record: SessionRecord) => Promise<unknown>
  /** Goes on with paying back. */
  readonly settle: (record: SessionRecord) => Promise<Closing | undefined>
  readonly now: () => number
  /** `null`: none is closed for that. */
  readonly idleSeconds: number | null
}

/** See the file's comment. */
export interface IdleWatch {
  touch(sessionId: Uint8Array): void
  stop(): Promise<void>
}

interface Watched {
  readonly number: bigint
  readonly record: SessionRecord
  /** Of its counters, all together: changes with every use, in whatever process. */
  used: bigint
  sinceMs: number
}

/** A session is entered on the roll before it is opened; what is not open after so long never will be. */
const UNBORN_MS = 600_000
const MOST_PAUSE_MS = 15_000
const LEAST_PAUSE_MS = 100

/** Begins at once. A session that was opened before is idle from the first look on. */
export function createIdleWatch(options: IdleWatchOptions): IdleWatch {
  const { ledger, roll, find, close, settle, now, idleSeconds } = options
  const watched = new Map<string, Watched>()
  /** By number: entered, and not open yet. */
  const unborn = new Map<bigint, { readonly sessionId: Uint8Array | undefined; readonly sinceMs: number }>()
  /** Those that are over, from the first number that is not known to be. */
  const over = new Set<bigint>()
  let from = 1n
  let next = 1n
  let stopped = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let round = Promise.resolve()
  const pauseMs =
    idleSeconds === null
      ? MOST_PAUSE_MS
      : Math.max(LEAST_PAUSE_MS, Math.min(MOST_PAUSE_MS, idleSeconds * 250))

  async function readOn(): Promise<void> {
    const span = await roll.span()
    if (next < span.from) {
      from = span.from
      next = span.from
    }
    for (; next <= span.to && !stopped; next++)
      unborn.set(next, { sessionId: await roll.at(next), sinceMs: now() })
    for (const [number, { sessionId, sinceMs }] of [...unborn]) {
      const found = sessionId === undefined ? undefined : await find(sessionId)
      if (found !== undefined && found.state !== 'none') {
        const { record } = found
        watched.set(encodeHex(record.sessionId), { number, record, used: -1n, sinceMs: now() })
        unborn.delete(number)
      } else if (now() - sinceMs > UNBORN_MS) {
        over.add(number)
        unborn.delete(number)
      }
    }
  }

  async function lookAt(name: string, one: Watched): Promise<void> {
    const { record, number } = one
    const [open, ...counters] = await ledger.read([openKey(record.sessionId), ...countersOf(record.balance)])
    if ((open?.used ?? 0n) > 0n) {
      const closing = await settle(record)
      if (closing === undefined || closing.refundStatus === 'pending') return
      watched.delete(name)
      over.add(number)
      return
    }
    const used = counters.reduce((sum, { used, credited = 0n }) => sum + used + credited, 0n)
    if (used !== one.used) {
      one.used = used
      one.sinceMs = now()
    }
    const { endsAtMs } = record
    const idle = idleSeconds !== null && now() - one.sinceMs >= idleSeconds * 1000
    if (idle || (endsAtMs !== null && now() >= endsAtMs)) await close(record)
  }

  async function goRound(): Promise<void> {
    await readOn()
    for (const [name, one] of [...watched]) if (!stopped) await lookAt(name, one)
    for (; over.has(from); from++) {
      await roll.over(from)
      over.delete(from)
    }
  }

  function goOn(): void {
    if (stopped) return
    timer = setTimeout(() => {
      // Books that are out of reach are asked again with the next round.
      round = goRound()
        .catch(() => {})
        .then(goOn)
    }, pauseMs)
    // Node alone has timers that keep a process alive; elsewhere they are numbers.
    ;(timer as unknown as { unref?: () => void }).unref?.()
  }
  goOn()

  return {
    touch(sessionId) {
      const one = watched.get(encodeHex(sessionId))
      if (one !== undefined) one.sinceMs = now()
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await round
    },
  }
}
