/**
 * The answer of a session's request as an event stream: what is told to the books of it, and what is kept. Whoever carries the
 * bytes brings two functions; all else is here, for every kind of server.
 */

import { concatBytes } from '../core/bytes.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import type { Entitlement, StreamSession } from './gate.ts'
import { KeptBody } from './kept-body.ts'
import {
  isSessionStream,
  SessionStream,
  type SessionStreamOptions,
  type StreamMetering,
} from './payment-scheme/session/stream/session-stream.ts'

/** On whose account, and what measures it. */
export interface StreamHold {
  readonly entitlement: Entitlement
  /** `null` where the route is not metered. Its meter knows the head of the answer already. */
  readonly metering: StreamMetering | null
}

/** What carries the stream to the client. */
export interface StreamCarrier extends Pick<SessionStreamOptions, 'send'> {
  /**
   * It ends before its time. `timeout`: the client was told, and the answer ends as a whole one does; else the connection is
   * to break. `settled` resolves when the books have it.
   */
  readonly onCut: (why: Parameters<SessionStreamOptions['onCut']>[0], settled: Promise<void>) => void
}

/** What goes out last, once `settled` has resolved. */
export interface LastEvents {
  readonly bytes: Uint8Array
  readonly settled: Promise<void>
}

/** The stream that an answer is to go through; `null` where it is no event stream of a session. */
export function heldStream(
  hold: StreamHold,
  head: { readonly method: string; readonly status: number; readonly headers: HeaderLines },
  carrier: StreamCarrier,
): HeldStream | null {
  const { session } = hold.entitlement
  if (session === undefined || !isSessionStream(hold.entitlement, head)) return null
  return new HeldStream(hold, { session, headers: withoutLength(head.headers), carrier })
}

/** See {@link heldStream}. Ended once: what comes after that does nothing. */
export class HeldStream {
  readonly #entitlement: Entitlement
  readonly #headers: HeaderLines
  readonly #kept: KeptBody
  readonly #stream: SessionStream
  #settled: Promise<void> | undefined

  constructor(
    { entitlement, metering }: StreamHold,
    {
      session,
      headers,
      carrier: { send, onCut },
    }: { readonly session: StreamSession; readonly headers: HeaderLines; readonly carrier: StreamCarrier },
  ) {
    this.#entitlement = entitlement
    this.#headers = headers
    this.#kept = new KeptBody(entitlement.keepBytes)
    this.#stream = new SessionStream({
      session,
      entitlement,
      metering,
      send: (bytes, own) => {
        // The session's own events are no part of the answer that a request gets when it comes again.
        if (!own) this.#kept.add(bytes)
        send(bytes, own)
      },
      onCut: (why) => onCut(why, this.left()),
    })
  }

  /** See {@link SessionStream.push}. */
  push(chunk: Uint8Array): Promise<void> | undefined {
    return this.#stream.push(chunk)
  }

  /** The resource's answer is whole. `undefined`: it was cut meanwhile. */
  async finish(): Promise<LastEvents | undefined> {
    const end = await this.#stream.finish()
    if (end === undefined) return undefined
    const { costMsat, receipt, done } = end
    this.#kept.add(done)
    const body = this.#kept.body()
    this.#settled ??= this.#entitlement.commit({
      ...(costMsat === undefined ? {} : { costMsat }),
      ...(body === undefined ? {} : { answer: { status: 200, headers: this.#headers, body } }),
    })
    return { bytes: concatBytes(receipt, done), settled: this.#settled }
  }

  /** The client has left, or is served no more: what has gone out is charged (protocol §5 rule 4). */
  left(): Promise<void> {
    const costMsat = this.#stream.cut()
    this.#settled ??= this.#entitlement.commit(costMsat === undefined ? {} : { costMsat })
    return this.#settled
  }

  /** The resource broke off: what is certain to have been served is charged, and nothing that was only estimated. */
  brokeOff(): Promise<void> {
    const costMsat = this.#stream.certain()
    this.#settled ??= costMsat > 0n ? this.#entitlement.commit({ costMsat }) : this.#entitlement.release()
    return this.#settled
  }
}

/** Its length is not known any more, and what is kept may differ from what was announced. */
function withoutLength(headers: HeaderLines): HeaderLines {
  return headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== 'content-length')
}
