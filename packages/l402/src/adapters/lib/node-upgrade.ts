/** A connection that a request has turned into something else, a WebSocket for one: one use for as long as it is open. */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { BodySource } from '../../server/enter.ts'
import type { Entitlement } from '../../server/gate.ts'
import type { Meter } from '../../server/metering/meter.ts'
import { closeAt, closePolitely } from './close-at.ts'

/** Whether Node has handed the connection over with this request. */
export function isUpgrade(req: IncomingMessage): boolean {
  return 'upgrade' in req && req.upgrade === true
}

/** Such a request has no body. */
export const NO_BODY: BodySource = {
  priced: (query) => Promise.resolve({ query, bodyBytes: 0, bodyHead: new Uint8Array() }),
  digest: () => Promise.resolve(null),
}

/** What is held for a connection. */
export interface HeldConnection {
  readonly socket: Duplex
  readonly entitlement: Entitlement
  readonly meter: Meter | null
}

// How often a metered connection draws on its credit.
const DRAW_MS = 1_000

/**
 * Watches a connection: an answer of 5xx gives the use back, the end of anything else uses it; it is closed when the time
 * of what was paid is over, and when its credit is used up. Answers a function that gives the use back.
 */
export function holdConnection({ socket, entitlement, meter }: HeldConnection): () => Promise<void> {
  let settled: Promise<void> | undefined
  let begun = false
  const settle = (failed: boolean): Promise<void> => {
    if (begun && settled === undefined) meter?.elapse?.()
    settled ??= failed
      ? entitlement.release()
      : entitlement.commit(meter === null ? {} : { costMsat: meter.end(true) })
    return settled
  }
  const see = (chunk: unknown): void => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk
    if (!(bytes instanceof Uint8Array)) return
    if (!begun) {
      begun = true
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(Buffer.from(bytes).toString('latin1', 0, 12))?.[1])
      if (status >= 500) void settle(true)
      // What follows 101 is what has been bought, and has no head of its own.
      meter?.head(status === 101 ? 200 : status, [])
    } else if (settled === undefined) meter?.body(bytes)
  }
  const write = socket.write.bind(socket) as (...args: readonly unknown[]) => boolean
  const end = socket.end.bind(socket) as (...args: readonly unknown[]) => Duplex
  socket.write = ((...args: readonly unknown[]) => {
    see(args[0])
    return write(...args)
  }) as Duplex['write']
  socket.end = ((...args: readonly unknown[]) => {
    see(args[0])
    return end(...args)
  }) as Duplex['end']

  const drawing = meter === null ? undefined : setInterval(draw, DRAW_MS).unref()
  function draw(): void {
    // Time passes without a byte, too.
    if (begun) meter?.elapse?.()
    const soFarMsat = meter?.soFarMsat ?? 0n
    if (soFarMsat === 0n || settled !== undefined) return
    // What the books do not cover, or cannot say that they do, does not go on (rule 9).
    entitlement.draw(soFarMsat).then(
      (covered) => (covered ? undefined : closePolitely(socket)),
      () => closePolitely(socket),
    )
  }
  const stop = closeAt(socket, entitlement.expiresAt ?? null)
  socket.once('close', () => {
    clearInterval(drawing)
    stop()
    void settle(false)
  })
  return () => settle(true)
}
