import { randomBytes } from 'node:crypto'
import type { L402Error } from '../../core/errors.ts'
import { Answers } from './answers.ts'
import { Batch, OWNER_DIGITS, type Write } from './batch.ts'
import { incompatible, refusedWhole, replaced, unavailable } from './faults.ts'
import { itemsOf, type Link, type Reply, ServerRefusal, textOf } from './link.ts'
import { batchScript, pruneScript, type Script, STORE_VERSION } from './scripts.ts'
import type { RedisTarget } from './target.ts'

/** The books, as they were when they were opened. */
export interface Books {
  readonly target: RedisTarget
  readonly prefix: string
  readonly keys: readonly string[]
  readonly channel: string
  readonly instance: string
}

/** What a batch has brought. */
export interface BatchReply {
  readonly answers: Answers
  /** How many revocations there are. */
  readonly revocations: number
  /** `t` or `p` and 64 hex digits: some of those that were not known. */
  readonly news: readonly string[]
  /** Name, number, name, number, …, if they were asked for. */
  readonly owners: readonly string[]
}

/** What was forgotten. */
export interface PruneReply {
  readonly removed: number
  /** Whether there may be more. */
  readonly more: boolean
  /** Counters that are over but held: the next call looks behind them. */
  readonly skip: number
}

/** A call that was not executed, or of which that is not known. */
export interface Fault {
  readonly error: L402Error
  /** Whether it may have been executed all the same. */
  readonly unknown: boolean
}

/** Most of each kind forgotten in one call, and of outcomes, which may be large: some milliseconds of the server's time. */
const PRUNED_MAX = '1000'
const PRUNED_CLAIMS_MAX = '200'

/** One owner's calls, numbered. */
export class Session {
  readonly #books: Books
  #owner = newOwner()
  #seq = 0
  /** The last call that was answered. */
  #acked = 0
  #ids = 0n

  constructor(books: Books) {
    this.#books = books
  }

  get owner(): string {
    return this.#owner
  }

  /** A number for a reservation or claim that nobody ever had. */
  takeId(): bigint {
    return BigInt(`0x${this.#owner}000000000000`) + this.#ids++
  }

  /** Goes on under a new name, which holds nothing. */
  beginAnew(): void {
    this.#owner = newOwner()
    this.#seq = 0
    this.#acked = 0
  }

  /** Answers 'lapsed' when nothing was done because this owner was taken for dead, or the books are older than it knows. */
  async call(
    link: Link,
    writes: readonly Write[],
    { known, nowMs }: { readonly known: number; readonly nowMs: number },
  ): Promise<BatchReply | Fault | 'lapsed'> {
    const { prefix, keys, channel, target } = this.#books
    const batch = new Batch(this.#owner)
    for (const write of writes) write(batch)
    const seq = ++this.#seq
    const head = [this.#owner, seq, this.#acked, known, nowMs, channel].map(String)
    const reply = await this.#run(link, batchScript, {
      keys: [...keys, ...batch.keys(prefix)],
      args: [...head, ...batch.args()],
    })
    if ('error' in reply) return reply
    const [status, answers, revocations, news, owners, blobs] = reply
    if (textOf(status) === 'lapsed') return 'lapsed'
    if (textOf(status) !== 'ok') return fault(unavailable(target, 'a call has overtaken another'))
    this.#acked = seq
    return {
      answers: new Answers(
        textOf(answers),
        itemsOf(blobs).filter((blob) => Buffer.isBuffer(blob)),
      ),
      revocations: Number(revocations),
      news: itemsOf(news).map(textOf),
      owners: itemsOf(owners).map(textOf),
    }
  }

  /** Forgets what is over, after the first `skip` counters that are. */
  async prune(
    link: Link,
    { skip, nowMs }: { readonly skip: number; readonly nowMs: number },
  ): Promise<PruneReply | Fault> {
    const args = [String(nowMs), PRUNED_MAX, PRUNED_CLAIMS_MAX, String(skip)]
    const reply = await this.#run(link, pruneScript, { keys: this.#books.keys, args })
    if ('error' in reply) return reply
    const [, removed, more, skipped] = reply
    return { removed: Number(removed), more: more === 1, skip: Number(skipped) }
  }

  async #run(
    link: Link,
    script: Script,
    { keys, args }: { readonly keys: readonly string[]; readonly args: readonly (string | Buffer)[] },
  ): Promise<readonly Reply[] | Fault> {
    const { target, prefix, instance } = this.#books
    try {
      const reply = await link.run(script, keys, [String(STORE_VERSION), instance, ...args])
      const [status, found] = reply
      if (textOf(status) === 'replaced') return fault(replaced(target, prefix))
      if (textOf(status) === 'version')
        return fault(incompatible(target, prefix, textOf(found), STORE_VERSION))
      return reply
    } catch (error) {
      const refused = error instanceof ServerRefusal && refusedWhole(error.message)
      return fault(unavailable(target, error), !refused)
    }
  }
}

function fault(error: L402Error, unknown = false): Fault {
  return { error, unknown }
}

/** Random: a counter in the store would run backwards with a restored backup. */
function newOwner(): string {
  return randomBytes(OWNER_DIGITS / 2).toString('hex')
}
