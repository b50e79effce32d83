import { lapsed } from '../lib/checks.ts'
import { claimOutcome } from './marks.ts'
import type { ClaimCall } from './operations.ts'
import type { Session } from './session.ts'

const CLAIM = {
  name: 'turnpike_claim_2',
  text: 'SELECT state, hex FROM claim_2($1, $2, $3, $4, $5)',
} as const

const SERVE = 'UPDATE claims SET if_lost = $3 WHERE owner = $1 AND key = $2 RETURNING true'

/**
 * The claims of this ledger. One that was answered or given up while the server was away would run for as long as this
 * process does, so what could not be written is kept and written later.
 */
export class OpenClaims {
  readonly #now: () => number
  /** Keys (hex) of the claims that somebody here was told to execute and has not ended. */
  readonly #held = new Set<string>()
  /** What could not be written: the answer, or `undefined` for a claim that is given up. */
  readonly #owed = new Map<string, Uint8Array | undefined>()

  constructor(now: () => number) {
    this.#now = now
  }

  /** Executes a call and answers it. */
  async send(session: Session, call: ClaimCall): Promise<void> {
    const { key } = call
    // What was asked before comes before.
    if (this.#owed.has(key)) await this.#settle(session, key)
    if (call.do === 'serveClaim') {
      const values = [session.owner, Buffer.from(key, 'hex'), Buffer.from(call.answer)]
      const [held] = await session.connection.run(SERVE, values)
      return held === undefined ? call.reject(lapsed()) : call.resolve()
    }
    if (call.do !== 'claim') {
      await this.#end(session, key, call.do === 'answer' ? call.answer : undefined)
      return call.resolve()
    }
    const { connection, owner } = session
    const { claim } = call
    const values = [owner, this.#now(), Buffer.from(claim.key), Buffer.from(claim.digest), claim.untilMs]
    const [row] = await connection.run(CLAIM, values).catch((error: unknown) => {
      // Nobody was told of a claim that may have been made. One that somebody here holds was not.
      if (connection.over && !this.#held.has(key)) this.#owed.set(key, undefined)
      throw error
    })
    const outcome = claimOutcome(row?.[0], row?.[1])
    if (outcome.state === 'claimed') this.#held.add(key)
    call.resolve(outcome)
  }

  /** The end of a claim that could not be written. */
  owe(call: ClaimCall): void {
    if (call.do === 'claim' || call.do === 'serveClaim') return
    if (!this.#held.has(call.key) || this.#owed.has(call.key)) return
    this.#owed.set(call.key, call.do === 'answer' ? call.answer : undefined)
  }

  /** Writes what is owed, as far as that is possible now. */
  async settle(session: Session): Promise<void> {
    for (const key of [...this.#owed.keys()]) {
      await this.#settle(session, key).catch(() => {})
      if (session.connection.over) return
    }
  }

  async #settle(session: Session, key: string): Promise<void> {
    await this.#end(session, key, this.#owed.get(key))
    this.#owed.delete(key)
  }

  async #end({ connection, owner }: Session, key: string, answer: Uint8Array | undefined): Promise<void> {
    const values = [owner, Buffer.from(key, 'hex')]
    await (answer === undefined
      ? connection.run('DELETE FROM claims WHERE owner = $1 AND key = $2', values)
      : connection.run(
          'UPDATE claims SET owner = NULL, if_lost = NULL, answer = $3 WHERE owner = $1 AND key = $2',
          [...values, Buffer.from(answer)],
        ))
    this.#held.delete(key)
  }
}
