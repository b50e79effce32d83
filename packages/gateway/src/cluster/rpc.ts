/** Calls between two processes over one channel of messages: one side asks, the other answers, in time or with a fault. */

import { isL402Error, L402Error, type L402ErrorCode } from '@turnpike/l402'
import { CommandError, type ExitCode } from '../cli/exit.ts'
import { describeError } from '../log.ts'

/**
 * What one side can be asked: functions of one argument by name. Arguments and answers can be cloned: plain data, bytes,
 * bigints.
 */
export type Api<A> = { readonly [K in keyof A]: (ask: never) => Promise<unknown> }

/** What is asked in a call of a function of an {@link Api}. */
type Ask<F> = F extends (ask: infer Q) => unknown ? Q : never
/** What comes back. */
type Answer<F> = F extends (ask: never) => Promise<infer R> ? R : never

/** What answers the calls of an {@link Api}. */
export type Handlers<A extends Api<A>> = {
  readonly [K in keyof A]: (ask: Ask<A[K]>) => Answer<A[K]> | Promise<Answer<A[K]>>
}

/** What messages go over. */
export interface Channel {
  /** Never throws; a message to nobody is lost. */
  send(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
  onClose(listener: () => void): void
}

/** The other process. */
export interface Peer<Calls extends Api<Calls>> {
  /**
   * Asks, and waits at most `timeoutMs` (10,000 if left out). Throws {@link NoAnswerError} without an answer; what the other
   * side threw: its `L402Error` with its code, its {@link CommandError}, and of any other fault a {@link RemoteFault}.
   */
  call<K extends keyof Calls & string>(
    name: K,
    ask: Ask<Calls[K]>,
    timeoutMs?: number,
  ): Promise<Answer<Calls[K]>>
}

/** The other process did not answer: it is gone, or busy. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/** The other process failed in a way of its own; the message says how, as far as it may be said. */
export class RemoteFault extends Error {
  override readonly name = 'RemoteFault'
}

type Details = Readonly<Record<string, string | number | boolean | null>>

/** A fault as it travels. Its words are those that a log may hold: no message of an error that is not ours. */
type SentFault =
  | {
      readonly kind: 'l402'
      readonly code: L402ErrorCode
      readonly message: string
      readonly details: Details
    }
  | { readonly kind: 'command'; readonly exitCode: ExitCode; readonly message: string }
  | { readonly kind: 'other'; readonly message: string }

type Message =
  | { readonly rpc: 'ask'; readonly id: number; readonly name: string; readonly value: unknown }
  | { readonly rpc: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly rpc: 'fault'; readonly id: number; readonly fault: SentFault }

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

const PATIENCE_MS = 10_000

/** Answers what `handlers` can, and lets this side ask too. */
export function connectPeer<Serves extends Api<Serves>, Calls extends Api<Calls>>(
  channel: Channel,
  handlers: Handlers<Serves>,
): Peer<Calls> {
  const waiting = new Map<number, Waiting>()
  let last = 0
  let closed = false

  async function answer(id: number, name: string, value: unknown): Promise<void> {
    try {
      const handler = Object.hasOwn(handlers, name) ? handlers[name as keyof Serves] : undefined
      if (handler === undefined) throw new RemoteFault(`the other process knows no call "${name}"`)
      channel.send({ rpc: 'answer', id, value: await handler(value as never) } satisfies Message)
    } catch (error) {
      channel.send({ rpc: 'fault', id, fault: packFault(error) } satisfies Message)
    }
  }

  function settle(id: number): Waiting | undefined {
    const found = waiting.get(id)
    waiting.delete(id)
    clearTimeout(found?.timer)
    return found
  }

  channel.onMessage((received) => {
    if (!isMessage(received)) return
    if (received.rpc === 'ask') void answer(received.id, received.name, received.value)
    else if (received.rpc === 'answer') settle(received.id)?.resolve(received.value as never)
    else settle(received.id)?.reject(unpackFault(received.fault))
  })
  channel.onClose(() => {
    closed = true
    for (const id of [...waiting.keys()]) settle(id)?.reject(new NoAnswerError('the other process is gone'))
  })

  return {
    call: (name, ask, timeoutMs = PATIENCE_MS) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new NoAnswerError('the other process is gone'))
          return
        }
        const id = ++last
        const late = (): void =>
          settle(id)?.reject(new NoAnswerError(`the other process did not answer within ${timeoutMs} ms`))
        waiting.set(id, { resolve, reject, timer: setTimeout(late, timeoutMs) })
        channel.send({ rpc: 'ask', id, name, value: ask } satisfies Message)
      }),
  }
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'rpc' in value && 'id' in value
}

function packFault(error: unknown): SentFault {
  if (isL402Error(error))
    return { kind: 'l402', code: error.code, message: error.message, details: error.details }
  if (error instanceof CommandError)
    return { kind: 'command', exitCode: error.exitCode, message: error.message }
  return { kind: 'other', message: describeError(error) }
}

function unpackFault(fault: SentFault): Error {
  if (fault.kind === 'l402') return new L402Error(fault.code, fault.message, { details: fault.details })
  if (fault.kind === 'command') return new CommandError(fault.exitCode, fault.message)
  return new RemoteFault(fault.message)
}
