import { END_GRACE_MS } from '../lib/ends.ts'
import { RevocationSet } from '../lib/revocations.ts'
import { array, items } from './arrays.ts'
import type { Connection } from './connection.ts'
import { revocationsAfter } from './queries.ts'
import type { Session } from './session.ts'

/** Most rows of each kind that one run removes. */
const PRUNE_MOST = 1_000

/** What a ledger does besides answering calls: hears of revocations, ends what the dead held, removes what has ended. */
export class Chores {
  readonly revocations = new RevocationSet()
  readonly #now: () => number
  /** The last revocation that is known here. */
  #seq = 0n
  /** Owners that were dead when last looked at. They are ended if they still are: a living one may be on its way back. */
  #suspects: readonly string[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  /** The server may be another one, or restored from an older copy. */
  restart(): void {
    this.#seq = 0n
  }

  /** Reads what is revoked, up to `latest`, if that is not known here. */
  async catchUp(session: Session, latest: bigint): Promise<void> {
    if (latest < this.#seq) this.#seq = 0n // an older copy of the books
    if (latest !== this.#seq) await this.poll(session)
  }

  /** Reads what is revoked. */
  async poll({ connection }: Session): Promise<void> {
    for (const [seq, kind, key] of await revocationsAfter(connection, this.#seq)) {
      this.revocations.add(kind, key)
      this.#seq = seq
    }
  }

  /** Ends what all dead owners held. */
  async sweepAll({ connection, owner }: Session): Promise<void> {
    await connection.run('SELECT sweep_1($1, NULL)', [owner])
  }

  /** Ends what those held that were dead the last time, too. */
  async sweep({ connection, owner }: Session): Promise<void> {
    const [row] = await connection.run('SELECT sweep_1($1, $2)', [owner, array(this.#suspects)])
    this.#suspects = items(row?.[0])
  }

  /** Removes rows that nothing can refer to any more. Answers how many, and whether there may be more. */
  async prune(connection: Connection): Promise<{ readonly removed: number; readonly more: boolean }> {
    const nowMs = this.#now()
    const [row] = await connection.run('SELECT removed, more FROM prune_2($1, $2, $3)', [
      nowMs,
      nowMs - END_GRACE_MS,
      PRUNE_MOST,
    ])
    return { removed: Number(row?.[0]), more: row?.[1] === 't' }
  }
}
