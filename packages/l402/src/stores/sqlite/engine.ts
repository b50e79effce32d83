import { statSync } from 'node:fs'
import type { BatchAnswers } from './answers.ts'
import type { Pruned } from './prune.ts'
import type { Revocation } from './revocation-news.ts'
import { connect } from './schema.ts'
import { Session } from './session.ts'

/** What a worker needs to open its connection. */
export interface EngineOptions {
  readonly file: string
  readonly owner: bigint
  readonly busyTimeoutMs: number
}

/**
 * Works on one file as long as it is the one at its place: SQLite would go on writing to a file that nobody will ever open
 * again. Synchronous; lives in a worker thread. Every method throws when nothing of it was done.
 */
export class Engine {
  readonly #options: EngineOptions
  readonly #inode: number | undefined
  #session: Session | undefined
  #logInode: number | undefined

  constructor(options: EngineOptions) {
    this.#options = options
    // Before it is opened: a file that is replaced just now must not be taken for the one that is.
    this.#inode = inodeOf(options.file)
    this.#session = this.#open()
  }

  run(batch: Uint8Array, nowMs: number): BatchAnswers {
    return this.#here().run(batch, nowMs)
  }

  prune(nowMs: number): Pruned {
    return this.#here().prune(nowMs)
  }

  /** Looks for revocations by other processes. */
  poll(): void {
    this.#here().poll()
  }

  /** Gives back what dead owners held. */
  sweep(): void {
    this.#here().sweep(this.#options.file)
  }

  /** Revocations found since the last call. */
  takeNews(): readonly Revocation[] {
    return this.#session?.takeNews() ?? []
  }

  /** Gives back what this owner still holds, if the file is there, and closes the connection in any case. */
  close(): void {
    if (this.#isAway()) this.#leave()
    else this.#session?.close()
  }

  #here(): Session {
    if (this.#isAway()) {
      this.#leave()
      throw new Error('its file was moved, replaced or deleted')
    }
    this.#session ??= this.#open()
    // What only this connection has would be lost with this process.
    if (inodeOf(`${this.#options.file}-wal`) !== this.#logInode)
      throw new Error('its write-ahead log was moved or deleted: it is kept by closing the ledger')
    return this.#session
  }

  #isAway(): boolean {
    return inodeOf(this.#options.file) !== this.#inode
  }

  #leave(): void {
    const session = this.#session
    this.#session = undefined
    session?.leave()
  }

  #open(): Session {
    const { file, busyTimeoutMs, owner } = this.#options
    const db = connect(file, busyTimeoutMs)
    try {
      const session = new Session(db, owner)
      this.#logInode = inodeOf(`${file}-wal`)
      return session
    } catch (error) {
      db.close()
      throw error
    }
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}
