import { randomBytes } from 'node:crypto'
import type { L402Error } from '../../core/errors.ts'
import { Answers, OWNER_DIGITS } from './batch.ts'
import { incompatible, refusedWhole, replaced, unavailable } from './faults.ts'
import type { Link } from './link.ts'
import { ServerRefusal } from './link.ts'
import { batchScript, STORE_VERSION } from './scripts.ts'
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

/** A batch that was not executed, or of which that is not known. */
export interface BatchFault {
  readonly error: L402Error
  /** Whether it may have been executed all the same. */
  readonly unknown: boolean
}

/** One owner's calls, numbered. */
export class Session {
  readonly #books: Books
  #owner = newOwner()
  #seq = 0
  #reservations = 0n

  constructor(books: Books) {
    this.#books = books
  }

  get owner(): string {
    return this.#owner
  }

  /** A number for a reservation that nobody ever had. */
  takeId(): bigint {
    return BigInt(`0x${this.#owner}000000000000`) + this.#reservations++
  }

  /** Goes on under a new name, which holds nothing. */
  beginAnew(): void {
    this.#owner = newOwner()
    this.#seq = 0
  }

  /** Answers 'lapsed' when nothing was done because this owner was taken for dead. */
  async call(
    link: Link,
    batch: string,
    { known, nowMs }: { known: number; nowMs: number },
  ): Promise<BatchReply | BatchFault | 'lapsed'> {
    const { target, prefix, keys, instance, channel } = this.#books
    const fault = (error: L402Error, unknown = false): BatchFault => ({ error, unknown })
    const head = [STORE_VERSION, instance, this.#owner, ++this.#seq, known, nowMs, channel].map(String)
    let reply: readonly unknown[]
    try {
      reply = await link.run<readonly unknown[]>(batchScript, keys, [...head, Buffer.from(batch, 'latin1')])
    } catch (error) {
      return fault(
        unavailable(target, error),
        !(error instanceof ServerRefusal && refusedWhole(error.message)),
      )
    }
    const [status, answers, revocations, news, owners] = reply
    if (status === 'ok')
      return {
        answers: new Answers(String(answers)),
        revocations: Number(revocations),
        news: news as readonly string[],
        owners: owners as readonly string[],
      }
    if (status === 'lapsed') return status
    if (status === 'replaced') return fault(replaced(target, prefix))
    if (status === 'version') return fault(incompatible(target, prefix, String(answers), STORE_VERSION))
    return fault(unavailable(target, 'a call has overtaken another'))
  }
}

/** Random: a counter in the store would run backwards with a restored backup. */
function newOwner(): string {
  return randomBytes(OWNER_DIGITS / 2).toString('hex')
}
