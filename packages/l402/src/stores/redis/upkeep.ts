import { buryOp, ownersOp } from './operations.ts'
import { OwnerWatch } from './owners.ts'
import type { Queue } from './queue.ts'
import type { RevocationNews } from './revocation-news.ts'
import type { BatchReply, PruneReply, Session } from './session.ts'

const PRUNE_MS = 60_000

/** What a ledger does when nobody asks it anything. */
export class Upkeep {
  readonly #queue: Queue
  readonly #session: Session
  readonly #news: RevocationNews
  readonly #watch: OwnerWatch
  readonly #pollMs: number
  readonly #timers: readonly NodeJS.Timeout[]
  #polling = false
  #pruning = false
  #skip = 0
  #stopped = false

  constructor(
    { queue, session, news }: { queue: Queue; session: Session; news: RevocationNews },
    { pollMs, leaseMs }: { readonly pollMs: number; readonly leaseMs: number },
  ) {
    this.#queue = queue
    this.#session = session
    this.#news = news
    this.#watch = new OwnerWatch(leaseMs)
    this.#pollMs = pollMs
    this.#timers = [
      setInterval(() => this.poll(), pollMs).unref(),
      setInterval(() => this.#tidy(), PRUNE_MS).unref(),
    ]
  }

  /** Owners may have been cut off like this one. */
  up(): void {
    this.#watch.forget()
    this.poll()
  }

  /** Shows that this owner lives, looks for revocations by others, and for owners that died. */
  poll(): void {
    if (this.#polling || this.#stopped) return
    this.#polling = true
    const done = (): void => {
      this.#polling = false
    }
    const settle = (reply: BatchReply): void => {
      done()
      for (const [owner, seq] of this.#watch.look(reply.owners, this.#session.owner, performance.now()))
        this.#queue.push({ write: buryOp(owner, seq), settle: nothing, reject: nothing, asked: false })
      if (this.#news.behind) this.poll()
    }
    this.#queue.push({ write: ownersOp, settle, reject: done, asked: false })
  }

  /** One bounded pruning. */
  prune(asked: boolean): Promise<PruneReply> {
    return new Promise((resolve, reject) => {
      const settle = (reply: PruneReply): void => {
        this.#skip = reply.skip
        resolve(reply)
      }
      this.#queue.push({ skip: this.#skip, settle, reject, asked })
    })
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers) clearInterval(timer)
  }

  /** Prunes until nothing is over, with pauses in which the server does something else. */
  #tidy(): void {
    if (this.#pruning || this.#stopped) return
    this.#pruning = true
    const done = (): void => {
      this.#pruning = false
    }
    this.prune(false).then(({ more }) => {
      done()
      if (more) setTimeout(() => this.#tidy(), this.#pollMs).unref()
    }, done)
  }
}

function nothing(): void {}
