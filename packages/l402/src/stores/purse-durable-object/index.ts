/**
 * The purse of Cloudflare Workers: one Durable Object keeps the books of all isolates. A KV namespace cannot: it has no
 * step that is atomic, and what one place has written another sees up to a minute later, so two isolates would pay twice.
 */

import { isL402Error, L402Error, type L402ErrorCode } from '../../core/errors.ts'
import { lockQueue } from '../lib/lock-queue.ts'
import { type PurseBooks, purseOver } from '../lib/purse-books.ts'
import { rowsPurse } from '../lib/purse-rows.ts'
import type { PurseStore } from '../purse.ts'
import { type ObjectStorage, storageShelf } from './shelf.ts'

export type { ObjectStorage } from './shelf.ts'

/** What a call came to; faults cross between isolates as values. */
export type PurseAnswer =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false
      readonly name: string
      readonly code: L402ErrorCode | null
      readonly message: string
    }

/** One call of the books. Holds secrets in its answer: it is for the object's own account only. */
export interface PurseCall {
  readonly name: string
  readonly args: readonly unknown[]
  /** The lives of the object in which the caller was given the locks that it holds. */
  readonly lives: readonly string[]
}

/** What the object answers: give it methods of these names that hand on to it. */
export interface PurseDoor {
  purseCall(call: PurseCall): Promise<PurseAnswer>
  /** Runs `task`, a function of the caller's, while it holds the lock. */
  purseLock(name: string, task: (life: string) => Promise<void>): Promise<void>
}

const NAMES: ReadonlySet<string> = new Set<keyof PurseBooks>([
  ...([
    'budget',
    'setBudget',
    'reserve',
    'fits',
    'beginPaying',
    'settle',
    'renew',
    'conclude',
    'recordServed',
  ] as const),
  ...(['openPayments', 'payments', 'payment', 'credentials', 'rejectCredential', 'touchCredential'] as const),
  ...([
    'addCredential',
    'forgetCredential',
    'note',
    'setNote',
    'forgive',
    'saveQuote',
    'quote',
    'spent',
  ] as const),
])
/** What money may go out by. */
const PAYS: ReadonlySet<string> = new Set<keyof PurseBooks>(['reserve', 'beginPaying', 'renew'])

/**
 * The books within the object, over its storage.
 *
 * @example
 * ```ts
 * import { type ObjectStorage, type PurseCall, purseDoor } from '@turnpike/l402/purse/durable-object'
 *
 * // In a Worker: import { DurableObject } from 'cloudflare:workers'
 * declare class DurableObject { readonly ctx: { readonly storage: ObjectStorage } }
 *
 * export class Purse extends DurableObject {
 *   readonly #door = purseDoor(this.ctx.storage)
 *   purseCall(call: PurseCall) {
 *     return this.#door.purseCall(call)
 *   }
 *   purseLock(name: string, task: (life: string) => Promise<void>) {
 *     return this.#door.purseLock(name, task)
 *   }
 * }
 * ```
 */
export function purseDoor(
  storage: ObjectStorage,
  { now = Date.now }: { readonly now?: () => number } = {},
): PurseDoor {
  const purse = rowsPurse(storageShelf(storage), { now, where: 'of the Durable Object' })
  const locks = lockQueue()
  // Locks end with the object's life: whoever held one must not pay on in the next.
  const life = crypto.randomUUID()

  return {
    async purseCall({ name, args, lives }) {
      try {
        if (!NAMES.has(name)) throw new TypeError(`no call ${name} of a purse`)
        if (PAYS.has(name) && lives.some((one) => one !== life))
          throw new L402Error(
            'store_unavailable',
            'the Durable Object began anew while a lock of it was held',
          )
        const method = purse[name as keyof PurseBooks] as (...args: readonly unknown[]) => Promise<unknown>
        return { ok: true, value: await method(...args) }
      } catch (error) {
        const { name: kind, message } = error instanceof Error ? error : new Error(String(error))
        return { ok: false, name: kind, code: isL402Error(error) ? error.code : null, message }
      }
    },
    // Where the caller's isolate ends, its task rejects and the lock is free (rule C5).
    purseLock: (name, task) => locks.run(name, () => task(life)),
  }
}

/**
 * The purse of an isolate: its books are those of the object behind `stub`, and its locks hold across all isolates. Make one
 * per request, as a stub belongs to its request. Calls throw `store_unavailable` where the object cannot be reached.
 *
 * @throws TypeError for a KV namespace or anything else that is no such object.
 *
 * @example
 * ```ts
 * import { payingFetch } from '@turnpike/l402/client'
 * import { durableObjectPurse, type PurseDoor } from '@turnpike/l402/purse/durable-object'
 *
 * export async function answer(env: { readonly PURSE: { getByName(name: string): PurseDoor } }) {
 *   const fetch = payingFetch({ wallet, purse: durableObjectPurse(env.PURSE.getByName('mine')) })
 *   return await fetch('https://api.example.com/forecast')
 * }
 * ```
 */
export function durableObjectPurse(stub: PurseDoor): PurseStore {
  if (typeof stub?.purseCall !== 'function' || typeof stub.purseLock !== 'function')
    throw new TypeError(
      'durableObjectPurse: expected the stub of a Durable Object that has purseDoor; a KV namespace cannot keep a purse, since two isolates could pay for one thing',
    )
  const lives: string[] = []

  const call = async (name: string, args: readonly unknown[]): Promise<unknown> => {
    const answer = await stub.purseCall({ name, args, lives: [...lives] }).catch(unreachable)
    if (answer.ok) return answer.value
    if (answer.code !== null) throw new L402Error(answer.code, answer.message)
    if (answer.name === 'RangeError') throw new RangeError(answer.message)
    throw answer.name === 'TypeError' ? new TypeError(answer.message) : new Error(answer.message)
  }
  // The books are elsewhere: what stands for them notes which call is made.
  const calls = new Proxy({} as PurseBooks, {
    get:
      (_, name) =>
      (...args: readonly unknown[]) => ({ name: String(name), args }),
  })

  return purseOver(
    async <T>(work: (books: PurseBooks) => T): Promise<T> => {
      const { name, args } = work(calls) as { readonly name: string; readonly args: readonly unknown[] }
      return (await call(name, args)) as T
    },
    {
      async withLock<T>(name: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
        signal?.throwIfAborted()
        let running: Promise<T> | undefined
        const run = async (life: string): Promise<void> => {
          if (signal?.aborted) return
          lives.push(life)
          running = task()
          // What becomes of it is the caller's to hear, not the object's.
          await running.catch(() => {})
          lives.splice(lives.indexOf(life), 1)
        }
        const held = stub.purseLock(name, run)
        try {
          await (signal ? untilAborted(held, { signal, begun: () => running !== undefined }) : held)
        } catch (error) {
          if (signal?.aborted && !running) throw signal.reason
          if (!running) unreachable(error)
        }
        if (!running) throw signal?.reason ?? new L402Error('store_unavailable', 'the lock was never given')
        // Also where the object went away meanwhile: what was begun comes to its end.
        return await running
      },
      close: async () => {},
    },
  )
}

function unreachable(cause: unknown): never {
  throw new L402Error('store_unavailable', 'the Durable Object of the purse cannot be reached', { cause })
}

/** Rejects when the signal aborts, as long as nothing has begun. */
function untilAborted(
  held: Promise<void>,
  { signal, begun }: { readonly signal: AbortSignal; readonly begun: () => boolean },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      if (!begun()) reject(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    held.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

export { DEFAULT_BUDGET } from '../purse.ts'
