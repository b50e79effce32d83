/**
 * The roll of all sessions in the order they were opened, so that those nobody uses any more are found after a restart, too.
 * Numbers come from one counter, each number's claim holds the session's id, and an account counts how many of the first ones
 * are over.
 */

import { decodeHex, encodeHex, encodeUtf8 } from '../../../core/bytes.ts'
import { sha256 } from '../../../core/hash.ts'
import type { Ledger } from '../../../stores/ledger.ts'
import { COUNTER_MAX } from '../../../stores/lib/checks.ts'
import { recall, writeOnce } from './recall.ts'

const NUMBERS = hashOf('numbers')
const OVER = hashOf('over')
const OWNER = hashOf('owner')
/** Numbers that are found taken were given back by a process that died: there are few of them. */
const TRIES = 1_000

/** See the file's comment. Everything throws `store_unavailable`. */
export interface Roll {
  /** Enters a session. Twice does no harm. */
  add(sessionId: Uint8Array): Promise<void>
  /** Where to begin and to end reading: those before `from` are over. */
  span(): Promise<{ readonly from: bigint; readonly to: bigint }>
  /** The session with this number, or `undefined`. */
  at(number: bigint): Promise<Uint8Array | undefined>
  /** All up to this number are over, where all before it were known to be. */
  over(number: bigint): Promise<void>
}

/** The roll in these books. */
export function createRoll(ledger: Ledger, untilMs: () => number): Roll {
  const placeOf = (number: bigint) => ({ key: hashOf(`number ${number}`), owner: OWNER, untilMs: untilMs() })
  return {
    async add(sessionId) {
      for (let i = 0; i < TRIES; i++) {
        const held = await ledger.reserve({
          redemption: { paymentHash: hashOf(`of ${encodeHex(sessionId)}`), tokenId: NUMBERS, service: '' },
          uses: [{ key: NUMBERS, limit: COUNTER_MAX, amount: 1n }],
        })
        if (!held.ok) throw new RangeError('the roll of sessions is full')
        const number = held.states[0]?.used ?? 0n
        const written = await writeOnce(ledger, placeOf(number), { id: encodeHex(sessionId) })
        await ledger.commit(held.id)
        if (typeof written === 'object' && idOf(written) === encodeHex(sessionId)) return
      }
      throw new RangeError('the roll of sessions is not in order')
    },
    async span() {
      const [over, numbers] = await ledger.read([OVER, NUMBERS])
      return { from: (over?.credited ?? 0n) + 1n, to: numbers?.used ?? 0n }
    },
    async at(number) {
      const fact = await recall(ledger, placeOf(number))
      return typeof fact === 'object' ? decodeHex(idOf(fact)) : undefined
    },
    async over(number) {
      const redemption = { paymentHash: hashOf(`over ${number}`), tokenId: OVER, service: '' }
      await ledger.credit(redemption, 1n)
    },
  }
}

function idOf(fact: object): string {
  return (fact as { readonly id?: string }).id ?? ''
}

function hashOf(text: string): Uint8Array {
  return sha256(encodeUtf8(`turnpike roll of sessions ${text}`))
}
