import { decodeHex } from '../../core/bytes.ts'
import { RevocationSet } from '../lib/revocations.ts'
import type { BatchReply } from './session.ts'

/** Revocations as they become known with every call. */
export class RevocationNews {
  readonly set: RevocationSet = new RevocationSet()
  /** Revocations on the server, and how many of them were read. */
  #total = 0
  #known = 0

  get known(): number {
    return this.#known
  }

  /** Whether there are some that were not read yet. */
  get behind(): boolean {
    return this.#known < this.#total
  }

  learn({ news, revocations }: Pick<BatchReply, 'news' | 'revocations'>): void {
    for (const text of news) {
      const key = decodeHex(text.slice(1))
      if (key !== undefined) this.set.add(text.startsWith('t') ? 'token' : 'payment', key)
    }
    // Fewer than before: the server has lost some; they are looked at anew.
    this.#known = revocations < this.#known ? 0 : this.#known + news.length
    this.#total = revocations
  }

  /** The server may have lost some; all are read again. What was known stays known. */
  readAgain(): void {
    this.#known = 0
  }
}
