import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { equalBytes } from '../../core/bytes.ts'
import type { AnswerWriter } from './answers.ts'
import type { ByteReader } from './bytes.ts'

/** What `claim` answers, by its number. */
export const CLAIM_STATES = ['claimed', 'running', 'other', 'answered'] as const
type ClaimState = (typeof CLAIM_STATES)[number]

/**
 * Marks seen once, and claims of requests that must have one outcome (rule 10). A claim that runs has an owner; one that is
 * being served an answer, too: what it comes to if the owner dies.
 */
export class Marks {
  readonly #owner: bigint
  readonly #see: StatementSync
  readonly #find: StatementSync
  readonly #claim: StatementSync
  readonly #serve: StatementSync
  readonly #answer: StatementSync
  readonly #unclaim: StatementSync

  constructor(db: DatabaseSync, owner: bigint) {
    this.#owner = owner
    this.#see = db.prepare(
      'INSERT INTO marks VALUES (?1, ?2) ON CONFLICT(mark) DO UPDATE SET until_ms = ?2 WHERE until_ms <= ?3',
    )
    this.#find = db.prepare(
      'SELECT owner IS NULL AS answered, until_ms <= ?2 AS past, digest, answer FROM claims WHERE key = ?1',
    )
    this.#claim = db.prepare('INSERT OR REPLACE INTO claims VALUES (?, ?, ?, NULL, ?)')
    this.#serve = db.prepare('UPDATE claims SET answer = ?3 WHERE key = ?1 AND owner = ?2')
    this.#answer = db.prepare('UPDATE claims SET owner = NULL, answer = ?3 WHERE key = ?1 AND owner = ?2')
    this.#unclaim = db.prepare('DELETE FROM claims WHERE key = ?1 AND owner = ?2')
  }

  /** Answers whether the mark is seen for the first time. */
  once(reader: ByteReader, answers: AnswerWriter, nowMs: number): void {
    answers.flag(this.#see.run(reader.take(32), reader.f64(), nowMs).changes === 1)
  }

  /** Answers an index into {@link CLAIM_STATES}, and the outcome of what was answered. */
  claim(reader: ByteReader, answers: AnswerWriter, nowMs: number): void {
    const key = reader.take(32)
    const digest = reader.take(32)
    const untilMs = reader.f64()
    const kept = this.#find.get(key, nowMs)
    const state = stateOf(kept, digest)
    answers.number(CLAIM_STATES.indexOf(state))
    if (state === 'claimed') this.#claim.run(key, this.#owner, digest, untilMs)
    if (state === 'answered') answers.blobs.push(kept?.['answer'] as Uint8Array)
  }

  /** Answers whether the claim is this owner's. */
  serve(reader: ByteReader, answers: AnswerWriter): void {
    const { changes } = this.#serve.run(reader.take(32), this.#owner, reader.take(reader.u32()))
    answers.flag(changes === 1)
  }

  answer(reader: ByteReader): void {
    this.#answer.run(reader.take(32), this.#owner, reader.take(reader.u32()))
  }

  unclaim(reader: ByteReader): void {
    this.#unclaim.run(reader.take(32), this.#owner)
  }
}

function stateOf(kept: Readonly<Record<string, unknown>> | undefined, digest: Uint8Array): ClaimState {
  if (kept === undefined) return 'claimed'
  const answered = kept['answered'] === 1
  // One that runs is never too old: it is somebody's.
  if (answered && kept['past'] === 1) return 'claimed'
  if (!equalBytes(kept['digest'] as Uint8Array, digest)) return 'other'
  return answered ? 'answered' : 'running'
}
