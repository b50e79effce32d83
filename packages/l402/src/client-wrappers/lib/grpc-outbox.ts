/** The messages of a gRPC request: written one after the other, and from the first on again for each attempt. */

import type { InterceptingCall } from '@grpc/grpc-js'
import type { KeptMessages } from './rpc.ts'

/** A message of the caller's. */
interface Sent {
  readonly message: unknown
  readonly flags: number | undefined
  /** Told once, by whichever attempt takes it first. */
  readonly taken: (error?: Error | null) => void
}

type Call = Pick<InterceptingCall, 'sendMessageWithContext' | 'halfClose'>
type Context = Parameters<Call['sendMessageWithContext']>[0]

/** What is to be sent. */
export interface Outbox {
  add(sent: Sent): void
  /** There are no more messages. */
  end(): void
  /** Sends all messages from the first on, and those to come; answers how to stop. */
  sendTo(call: Call): () => void
  /** Whether all that were sent are still there. */
  replayable(): boolean
  /** Waits no longer before sending more than is kept. */
  goOn(): void
  /** The attempt that runs, or ran last, is the one that stands: nothing is kept from now on. */
  release(): void
}

/**
 * Makes one that keeps some messages. Before it sends more it waits for the server to say whether it wants money, and not for
 * ever: after that the call cannot be bought any more.
 */
export function newOutbox({ mostBuffered, holdMs }: KeptMessages): Outbox {
  const kept: Sent[] = []
  /** Messages before the kept ones; messages whose caller was told; messages that the attempt has sent. */
  let dropped = 0
  let told = 0
  let position = 0
  let ended = false
  let released = false
  let overflowed = false
  let goesOn = false
  let hold: ReturnType<typeof setTimeout> | undefined
  /** Who sends: one call at a time. */
  let call: Call | undefined
  let busy = false

  function goOn(): void {
    clearTimeout(hold)
    goesOn = true
    next()
  }

  function next(): void {
    if (released || overflowed) {
      kept.splice(0, position - dropped)
      dropped = position
    }
    if (!call) {
      // Nobody is left to send it to, and its caller is not to wait for ever.
      if (released) for (const { taken } of kept.splice(0)) taken()
      return
    }
    if (busy) return
    const sent = kept[position - dropped]
    if (sent === undefined) {
      if (ended) call.halfClose()
      return
    }
    if (position >= mostBuffered && !released && !overflowed) {
      if (!goesOn) {
        hold ??= setTimeout(goOn, holdMs)
        return
      }
      overflowed = true
    }
    busy = true
    const sender = call
    const callback = (error?: Error | null): void => {
      // An attempt that did not stand tells nobody: its messages go out again.
      if (sender !== call) return
      busy = false
      position++
      if (position > told) sent.taken(error)
      told = Math.max(told, position)
      next()
    }
    const context = { callback, ...(sent.flags === undefined ? {} : { flags: sent.flags }) } as Context
    sender.sendMessageWithContext(context, sent.message)
  }

  return {
    add(sent) {
      kept.push(sent)
      next()
    },
    end() {
      ended = true
      next()
    },
    sendTo(to) {
      call = to
      position = 0
      busy = false
      next()
      return () => {
        if (call !== to) return
        call = undefined
        clearTimeout(hold)
        hold = undefined
        next()
      }
    },
    replayable: () => !overflowed,
    goOn,
    release() {
      released = true
      clearTimeout(hold)
      next()
    },
  }
}
